import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

# The last word counts, and earlier ones stay as they were said; all go with the account alone, after it is gone.
APPEND_ONLY = """
CREATE FUNCTION annotate_sharing_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND NOT EXISTS (SELECT 1 FROM annotate_annotator WHERE id = OLD.annotator_id) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'what people allow is append-only: say it anew instead of changing %', OLD.id;
END $$;
CREATE TRIGGER annotate_sharing_append_only BEFORE UPDATE OR DELETE ON annotate_votesharing
    FOR EACH ROW EXECUTE FUNCTION annotate_sharing_append_only();
"""
CHANGEABLE = """
DROP TRIGGER annotate_sharing_append_only ON annotate_votesharing; DROP FUNCTION annotate_sharing_append_only();
"""


class Migration(migrations.Migration):
    dependencies = [("annotate", "0020_adjudication")]

    operations = [
        migrations.CreateModel(
            name="VoteSharing",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("allowed", models.BooleanField()),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
                (
                    "annotator",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.DB_CASCADE,
                        related_name="vote_sharings",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
                "indexes": [models.Index(fields=["annotator", "-id"], name="sharing_last_of_person")],
            },
        ),
        # RunSQL splits statements; the bodies of functions hold semicolons, so it goes as one.
        migrations.RunSQL([(APPEND_ONLY, None)], CHANGEABLE),
    ]
