-- The extension is made by whoever makes the database; an app should not have the right to.
CREATE TABLE IF NOT EXISTS memories (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    text text NOT NULL,
    embedding vector(256) NOT NULL,
    created timestamptz NOT NULL DEFAULT now()
);
