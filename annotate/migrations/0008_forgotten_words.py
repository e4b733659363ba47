from django.db import migrations

# 3 is InstructionState.REMOVED.
IS_GONE = """EXISTS (
        SELECT 1 FROM annotate_unit at JOIN sources_instruction text ON text.id = at.instruction_id
        WHERE at.id = NEW.unit_id AND text.state = 3
    )"""

# The one exception: a note, which may quote the text, is blanked when the text was taken down.
FORGET = f"""
CREATE OR REPLACE FUNCTION annotate_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.note = '' THEN
        OLD.note := '';
        IF NEW IS NOT DISTINCT FROM OLD AND {IS_GONE} THEN RETURN NEW; END IF;
    END IF;
    RAISE EXCEPTION 'annotations are append-only: supersede annotation % instead', OLD.id;
END $$;
"""
REMEMBER = """
CREATE OR REPLACE FUNCTION annotate_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'annotations are append-only: supersede annotation % instead', OLD.id;
END $$;
"""

# An answer that comes after the take-down is kept without its note. It waits for one that is under way by the lock that
# the foreign key takes anyway, only later: the next statement sees what was committed by then.
LATE = f"""
CREATE FUNCTION annotate_late_note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM annotate_unit WHERE id = NEW.unit_id FOR KEY SHARE;
    IF {IS_GONE} THEN NEW.note := ''; END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER annotate_late_note BEFORE INSERT ON annotate_annotation
    FOR EACH ROW WHEN (NEW.note <> '') EXECUTE FUNCTION annotate_late_note();
"""
NO_LATE = "DROP TRIGGER annotate_late_note ON annotate_annotation; DROP FUNCTION annotate_late_note();"

# What was taken down before.
GONE = """
    SELECT unit.id FROM annotate_unit unit JOIN sources_instruction text ON text.id = unit.instruction_id
    WHERE text.state = 3
"""
EARLIER_ROWS = f"""
UPDATE annotate_flag SET words = '', outcome = '' WHERE unit_id IN ({GONE});
UPDATE annotate_question SET words = '', answer = '(taken down with the text)', answered_at = coalesce(answered_at, now())
WHERE unit_id IN ({GONE});
UPDATE annotate_annotation SET note = '' WHERE note <> '' AND unit_id IN ({GONE});
"""


class Migration(migrations.Migration):

    dependencies = [
        ('annotate', '0007_desk'),
    ]

    operations = [
        migrations.RunSQL(FORGET, REMEMBER),
        migrations.RunSQL(LATE, NO_LATE),
        migrations.RunSQL(EARLIER_ROWS, migrations.RunSQL.noop),
    ]
