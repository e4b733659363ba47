import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from annotate.sql import DESK

WEIGH = """
UPDATE annotate_unit unit SET severity = weighed.severity
FROM (SELECT placed.id, annotate_severity(placed) AS severity FROM annotate_unit placed) weighed
WHERE unit.id = weighed.id AND weighed.severity > 0;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('annotate', '0017_known_phases'),
    ]

    operations = [
        migrations.CreateModel(
            name='Consent',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('version', models.PositiveSmallIntegerField()),
                ('given_at', models.DateTimeField(auto_now_add=True)),
                ('withdrawn_at', models.DateTimeField(null=True)),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='DeskDay',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('day', models.DateField()),
                ('milliseconds', models.PositiveIntegerField(default=0)),
                ('seen_at', models.DateTimeField(help_text='Up to when they are counted.')),
            ],
            options={
                'ordering': ['annotator', 'day'],
            },
        ),
        migrations.AddField(
            model_name='annotator',
            name='calm_after',
            field=models.PositiveSmallIntegerField(db_default=0, default=0, help_text='How many calm texts they want after a severe one.'),
        ),
        migrations.AddField(
            model_name='annotator',
            name='consented',
            field=models.PositiveSmallIntegerField(db_default=0, default=0, editable=False, help_text='Version of the consent page that they agreed to; 0: none. Only the present one is enough.'),
        ),
        migrations.AddField(
            model_name='annotator',
            name='is_masked',
            field=models.BooleanField(db_default=False, default=False, help_text='Whether a text is shown only after a key or a click.'),
        ),
        migrations.AddField(
            model_name='annotator',
            name='is_still',
            field=models.BooleanField(db_default=False, default=False, help_text='Whether nothing moves on the pages.'),
        ),
        migrations.AddField(
            model_name='annotator',
            name='left_at',
            field=models.DateTimeField(editable=False, help_text='Since when they are away by the quick exit: they are given nothing.', null=True),
        ),
        migrations.AddField(
            model_name='annotator',
            name='minutes_per_day',
            field=models.PositiveSmallIntegerField(blank=True, help_text='How long they want to label in a day at most; empty: as the campaign says.', null=True),
        ),
        migrations.AddField(
            model_name='annotator',
            name='severe_per_day',
            field=models.PositiveSmallIntegerField(blank=True, help_text='How many severe texts they want in a day at most; empty: as the campaign says.', null=True),
        ),
        migrations.AddField(
            model_name='annotator',
            name='time_zone',
            field=models.CharField(db_default='UTC', default='UTC', help_text='In which their day begins, such as Asia/Tokyo.', max_length=64),
        ),
        migrations.AddField(
            model_name='assignment',
            name='severity',
            field=models.PositiveSmallIntegerField(choices=[(0, 'none'), (1, 'mild'), (2, 'severe'), (3, 'grave')], db_default=0, default=0, editable=False, help_text="Of the unit as it was given: what counts for the day's limit."),
        ),
        migrations.AddField(
            model_name='campaign',
            name='calm_after',
            field=models.PositiveSmallIntegerField(db_default=0, default=0, help_text='After a severe text a person is given so many calm ones, or has a break. People can choose more.'),
        ),
        migrations.AddField(
            model_name='campaign',
            name='minutes_per_day',
            field=models.PositiveSmallIntegerField(blank=True, help_text='Whoever has labelled for so long in a day of theirs, here or elsewhere, gets nothing more here that day. People can choose less. Empty: no limit but their own.', null=True),
        ),
        migrations.AddField(
            model_name='campaign',
            name='severe_per_day',
            field=models.PositiveSmallIntegerField(blank=True, help_text='Whoever was given so many severe texts in a day of theirs, here or elsewhere, gets no other here that day. People can choose fewer. Empty: no limit but their own.', null=True),
        ),
        migrations.AddField(
            model_name='unit',
            name='severity',
            field=models.PositiveSmallIntegerField(choices=[(0, 'none'), (1, 'mild'), (2, 'severe'), (3, 'grave')], db_default=0, default=0, editable=False, help_text='Expected from the sources, then voted. Owned by the function annotate_severity.'),
        ),
        migrations.AlterField(
            model_name='assignment',
            name='reason',
            field=models.CharField(blank=True, choices=[('unsure', 'I am unsure'), ('distressing', 'too distressing'), ('broken', 'broken or unreadable'), ('language', 'a language I do not read'), ('acquainted', 'I know this person'), ('expired', 'the lease expired'), ('moved on', 'went to another campaign or back to an earlier text'), ('illegal', 'reported as illegal'), ('signed out', 'Signed Out'), ('quick exit', 'Quick Exit'), ('withdrawn', 'the instruction was withdrawn'), ('paused', 'the campaign was paused for this person'), ('excluded', 'the person was excluded; their vote was withdrawn')], max_length=12),
        ),
        migrations.AddIndex(
            model_name='assignment',
            index=models.Index(condition=models.Q(('severity__gte', 2)), fields=['annotator', 'claimed_at'], name='assignment_severe'),
        ),
        migrations.AddField(
            model_name='consent',
            name='annotator',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='consents', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='deskday',
            name='annotator',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='desk_days', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddConstraint(
            model_name='deskday',
            constraint=models.UniqueConstraint(fields=('annotator', 'day'), name='desk_day_unique'),
        ),
        # RunSQL splits statements; the bodies of functions hold semicolons, so the file goes as one.
        migrations.RunSQL([(DESK, None)], migrations.RunSQL.noop),
        migrations.RunSQL(WEIGH, migrations.RunSQL.noop),
    ]
