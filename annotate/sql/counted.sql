-- What counts, in one place: the tips of the chains that are answers and not surplus, on instructions that are available.
-- Whoever reads votes by the campaign reads this view; annotate_fold (tallies.sql) has the same written out, since it goes
-- from a few units to their votes, and the tests compare both. Whether the label set still has the option is asked by code.
CREATE OR REPLACE VIEW annotate_counted AS
SELECT said.id, said.unit_id, unit.campaign_id, unit.instruction_id, said.annotator_id, said.choice_id, said.tags,
       said.focused_ms, said.created_at, split_part(instruction.language, '-', 1) AS language, instruction.characters,
       instruction.parent_id IS NOT NULL AS is_augmented
FROM annotate_annotation said
JOIN annotate_unit unit ON unit.id = said.unit_id
JOIN sources_instruction instruction ON instruction.id = unit.instruction_id
WHERE instruction.state = 0 AND NOT said.surplus AND said.choice_id IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM annotate_annotation later WHERE later.supersedes_id = said.id);
