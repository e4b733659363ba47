from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('exports', '0006_options'),
    ]

    operations = [
        migrations.AddField(
            model_name='snapshot',
            name='settled',
            field=models.JSONField(db_default={}, default=dict, editable=False, help_text='What was decided when the cut was taken, and stays so; see snapshots.settle.'),
        ),
    ]
