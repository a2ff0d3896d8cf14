DROP INDEX IF EXISTS memories_embedding;
