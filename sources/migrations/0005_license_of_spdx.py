from django.db import migrations

import sources.models


class Migration(migrations.Migration):
    dependencies = [("sources", "0004_chunks_and_removals")]

    operations = [
        migrations.AlterField(
            model_name="source",
            name="license",
            field=sources.models.LicenseField(
                default="unknown",
                help_text=(
                    "SPDX identifier, for example CC-BY-4.0. Rows of a source with licence 'unknown' are not published."
                ),
                max_length=60,
            ),
        ),
    ]
