from django.db import migrations

from annotate.sql import DESK


class Migration(migrations.Migration):
    dependencies = [("annotate", "0016_stopping_let_go")]

    # RunSQL splits statements; the bodies of functions hold semicolons, so the file goes as one.
    operations = [migrations.RunSQL([(DESK, None)], migrations.RunSQL.noop)]
