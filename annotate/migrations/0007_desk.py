from annotate.sql import DESK, FUNCTIONS
from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('annotate', '0006_workbench'),
    ]

    operations = [
        # RunSQL splits statements; the bodies of functions hold semicolons, so the file goes as one.
        migrations.RunSQL([(DESK, None)], ''.join(f'DROP FUNCTION {name};' for name in FUNCTIONS)),
    ]
