from django.db import migrations, models
from django.db.models import F, Q
from django.db.models.lookups import GreaterThan

from annotate.sql import DESK


class Migration(migrations.Migration):
    dependencies = [("annotate", "0016_stopping_let_go")]

    operations = [
        migrations.RemoveIndex(model_name="unit", name="unit_open_by_language"),
        migrations.AddIndex(
            model_name="unit",
            index=models.Index(
                condition=Q(GreaterThan(F("overlap") - F("taken"), 0), is_withdrawn=False),
                fields=["campaign", "language", "tier", "position"],
                name="unit_open_by_language",
            ),
        ),
        # RunSQL splits statements; the bodies of functions hold semicolons, so the file goes as one.
        migrations.RunSQL([(DESK, None)], migrations.RunSQL.noop),
    ]
