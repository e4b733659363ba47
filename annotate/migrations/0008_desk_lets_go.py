from annotate.sql import DESK
from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('annotate', '0007_desk'),
    ]

    operations = [
        migrations.RunSQL([(DESK, None)], migrations.RunSQL.noop),
    ]
