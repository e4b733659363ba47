from django.db import migrations, models

from annotate.sql import DESK

# What was there before is not known of rules that are in use already: their minimum is what dropping offered so far.
USED = """
UPDATE annotate_stoppingrule made SET overlap_before = campaign.overlap
FROM annotate_campaign campaign WHERE campaign.stopping_id = made.id;
"""


class Migration(migrations.Migration):
    dependencies = [("annotate", "0015_voters_of_tags")]

    operations = [
        migrations.AddField(
            model_name="stoppingrule",
            name="overlap_before",
            field=models.PositiveSmallIntegerField(
                editable=False,
                help_text="Votes for every unit before any rule was in use: what the campaign goes back to. "
                "Empty: never used.",
                null=True,
            ),
        ),
        migrations.RunSQL(USED, migrations.RunSQL.noop),
        # RunSQL splits statements; the bodies of functions hold semicolons, so the file goes as one.
        migrations.RunSQL([(DESK, None)], migrations.RunSQL.noop),
    ]
