import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

FOLLOW = """
CREATE TRIGGER annotate_weigh_known AFTER INSERT OR UPDATE OR DELETE ON annotate_knownanswer
    FOR EACH ROW EXECUTE FUNCTION annotate_weigh_known();
UPDATE annotate_unit unit SET severity = weighed.severity
FROM (SELECT placed.id, annotate_severity(placed) AS severity FROM annotate_unit placed
      JOIN annotate_knownanswer known ON known.unit_id = placed.id) weighed
WHERE unit.id = weighed.id AND unit.severity <> weighed.severity;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('annotate', '0018_care'),
    ]

    operations = [
        migrations.CreateModel(
            name='Reading',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('severity', models.PositiveSmallIntegerField(choices=[(0, 'none'), (1, 'mild'), (2, 'severe'), (3, 'grave')], help_text='Of the unit as it was given.')),
                ('given_at', models.DateTimeField()),
                ('expires_at', models.DateTimeField(help_text='Until then it is shown again without counting again.')),
                ('ended_at', models.DateTimeField(null=True)),
                ('is_declined', models.BooleanField(default=False, help_text='They sent it away: it is never shown to them again.')),
                ('annotator', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='readings', to=settings.AUTH_USER_MODEL)),
                ('unit', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='readings', to='annotate.unit')),
            ],
            options={
                'ordering': ['id'],
                'indexes': [models.Index(fields=['annotator', 'given_at'], name='reading_history')],
            },
        ),
        migrations.RunSQL(FOLLOW, "DROP TRIGGER annotate_weigh_known ON annotate_knownanswer"),
    ]
