"""Whether a release is to be used, and that whatever else is said of a published one stays as it is."""

from django.db import migrations, models

PUBLISHED = "UPDATE exports_snapshot SET standing = 'published' WHERE state = 'finished'"

STAYS = """
CREATE FUNCTION exports_published_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'release % is published and stays: withdraw it instead', OLD.version
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF (NEW.version, NEW.state, NEW.mask_personal, NEW.options, NEW.cut, NEW.cut_at, NEW.settled, NEW.manifest,
        NEW.statistics, NEW.finished_at) IS DISTINCT FROM
       (OLD.version, OLD.state, OLD.mask_personal, OLD.options, OLD.cut, OLD.cut_at, OLD.settled, OLD.manifest,
        OLD.statistics, OLD.finished_at) THEN
        RAISE EXCEPTION 'release % is published and never changes: choose another version', OLD.version
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF OLD.standing = 'withdrawn' AND (NEW.standing, NEW.standing_reason, NEW.standing_since) IS DISTINCT FROM
       (OLD.standing, OLD.standing_reason, OLD.standing_since) THEN
        RAISE EXCEPTION 'release % is withdrawn for good', OLD.version
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER exports_published_stays BEFORE UPDATE OR DELETE ON exports_snapshot
    FOR EACH ROW WHEN (OLD.state = 'finished') EXECUTE FUNCTION exports_published_stays();
"""

UNDO = "DROP TRIGGER exports_published_stays ON exports_snapshot; DROP FUNCTION exports_published_stays();"


class Migration(migrations.Migration):
    dependencies = [("exports", "0007_settled")]

    operations = [
        migrations.AddField(
            model_name="snapshot",
            name="standing",
            field=models.CharField(
                choices=[
                    ("draft", "Draft"),
                    ("published", "Published"),
                    ("deprecated", "Deprecated"),
                    ("withdrawn", "Withdrawn"),
                ],
                db_default="draft",
                default="draft",
                editable=False,
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="snapshot",
            name="standing_reason",
            field=models.TextField(
                blank=True,
                db_default="",
                editable=False,
                help_text="Why it is deprecated, withdrawn or published again.",
            ),
        ),
        migrations.AddField(
            model_name="snapshot",
            name="standing_since",
            field=models.DateTimeField(
                editable=False, help_text="When it was deprecated, withdrawn or published again.", null=True
            ),
        ),
        migrations.RunSQL(PUBLISHED, migrations.RunSQL.noop),
        migrations.AddConstraint(
            model_name="snapshot",
            constraint=models.CheckConstraint(
                condition=models.Q(("standing__in", ["published", "deprecated", "withdrawn"]), ("state", "finished"))
                | (~models.Q(("state", "finished")) & models.Q(("standing", "draft"))),
                name="snapshot_draft_until_published",
            ),
        ),
        migrations.AddConstraint(
            model_name="snapshot",
            constraint=models.CheckConstraint(
                condition=~models.Q(("standing__in", ["deprecated", "withdrawn"])) | ~models.Q(("standing_reason", "")),
                name="snapshot_standing_has_reason",
            ),
        ),
        migrations.RunSQL([(STAYS, None)], UNDO),
    ]
