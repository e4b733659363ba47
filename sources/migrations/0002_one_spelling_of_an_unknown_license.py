"""A licence that nobody knows has one spelling, so that nothing is published under another."""

import django.core.validators
from django.db import migrations, models

import sources.models


class Migration(migrations.Migration):
    dependencies = [("sources", "0001_initial")]

    operations = [
        migrations.RunSQL(
            r"UPDATE sources_source SET license = 'unknown' WHERE license ~* '^\s*(unknown|none|noassertion|\?*)\s*$'",
            migrations.RunSQL.noop,
        ),
        migrations.AlterField(
            model_name="source",
            name="license",
            field=sources.models.LicenseField(
                default="unknown",
                help_text=(
                    "SPDX identifier, for example CC-BY-4.0. Rows of a source with licence 'unknown' are not published."
                ),
                max_length=60,
                validators=[
                    django.core.validators.RegexValidator(
                        "\\A\\(*[A-Za-z0-9][A-Za-z0-9.+-]*\\)*( (AND|OR|WITH) \\(*[A-Za-z0-9][A-Za-z0-9.+-]*\\)*)*\\Z",
                        "Write an SPDX identifier, such as CC-BY-4.0, LicenseRef-Name where SPDX has none, or unknown.",
                    )
                ],
            ),
        ),
        migrations.AddConstraint(
            model_name="source",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("license", "unknown"),
                    models.Q(("license__iregex", "^\\s*(unknown|none|noassertion|\\?*)\\s*$"), _negated=True),
                    _connector="OR",
                ),
                name="source_license_unknown_has_one_spelling",
            ),
        ),
    ]
