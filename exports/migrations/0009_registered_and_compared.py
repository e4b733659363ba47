import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('exports', '0008_standing'),
    ]

    operations = [
        migrations.AddField(
            model_name='snapshot',
            name='is_registered',
            field=models.BooleanField(db_default=False, default=False, editable=False, help_text='Published elsewhere: its lines cannot be derived from the votes here.'),
        ),
        migrations.CreateModel(
            name='Comparison',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('state', models.CharField(choices=[('queued', 'Queued'), ('running', 'Running'), ('finished', 'Finished'), ('failed', 'Failed'), ('cancelled', 'Cancelled')], default='queued', editable=False, max_length=10)),
                ('lease_token', models.UUIDField(editable=False, null=True)),
                ('lease_until', models.DateTimeField(editable=False, null=True)),
                ('attempts', models.PositiveIntegerField(default=0, editable=False)),
                ('error', models.TextField(blank=True, editable=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('finished_at', models.DateTimeField(editable=False, null=True)),
                ('summary', models.JSONField(db_default={}, default=dict, help_text='See changes.Changes.')),
                ('after', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='comparisons', to='exports.snapshot')),
                ('before', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='exports.snapshot')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('before', 'after'), name='comparison_of_two')],
            },
        ),
    ]
