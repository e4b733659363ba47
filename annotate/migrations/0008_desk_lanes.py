from annotate.sql import DESK
from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('annotate', '0007_desk'),
    ]

    operations = [
        # The functions anew. Those of before are in no file any more, so there is no way back to them; going back over
        # 0007_desk drops all.
        migrations.RunSQL([(DESK, None)], migrations.RunSQL.noop),
    ]
