import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from annotate.sql import DESK


class Migration(migrations.Migration):

    dependencies = [
        ('annotate', '0017_open_by_language'),
    ]

    operations = [
        migrations.AddField(
            model_name='annotator',
            name='consented',
            field=models.PositiveSmallIntegerField(db_default=0, default=0, editable=False, help_text='Version of the consent page that they agreed to; 0: none. Only the present one is enough.'),
        ),
        migrations.AddField(
            model_name='annotator',
            name='left_at',
            field=models.DateTimeField(editable=False, help_text='Since when they are away by the quick exit: they are given nothing.', null=True),
        ),
        migrations.AlterField(
            model_name='assignment',
            name='reason',
            field=models.CharField(blank=True, choices=[('unsure', 'I am unsure'), ('distressing', 'too distressing'), ('broken', 'broken or unreadable'), ('language', 'a language I do not read'), ('acquainted', 'I know this person'), ('expired', 'the lease expired'), ('moved on', 'went to another campaign or back to an earlier text'), ('illegal', 'reported as illegal'), ('signed out', 'Signed Out'), ('quick exit', 'Quick Exit'), ('withdrawn', 'the instruction was withdrawn')], max_length=12),
        ),
        migrations.CreateModel(
            name='Consent',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('version', models.PositiveSmallIntegerField()),
                ('given_at', models.DateTimeField(auto_now_add=True)),
                ('withdrawn_at', models.DateTimeField(null=True)),
                ('annotator', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='consents', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        # RunSQL splits statements; the bodies of functions hold semicolons, so the file goes as one.
        migrations.RunSQL([(DESK, None)], migrations.RunSQL.noop),
    ]
