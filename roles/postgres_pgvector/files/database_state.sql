-- All that the role wants to know of one database, in one answer.
SELECT json_build_object(
    'extensions', (SELECT json_object_agg(extname, extversion) FROM pg_extension),
    'public_create', has_schema_privilege('public', 'public', 'CREATE'),
    'owner_create', has_schema_privilege(%(owner)s, 'public', 'CREATE') AND has_schema_privilege(%(owner)s, 'public', 'USAGE'),
    'users', coalesce((
        SELECT json_object_agg(r.rolname, json_build_object(
            'usage', has_schema_privilege(r.oid, 'public', 'USAGE'),
            'lacking', (
                SELECT json_object_agg(privilege, (
                    SELECT coalesce(json_agg(c.oid::regclass::text), '[]') FROM pg_class c
                    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
                    AND pg_get_userbyid(c.relowner) = %(owner)s AND NOT has_table_privilege(r.oid, c.oid, privilege)))
                FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS privilege),
            -- Only grants of its own: what it has as the owner's member is no grant too many.
            'excess', (
                SELECT json_object_agg(privilege, (
                    SELECT coalesce(json_agg(c.oid::regclass::text), '[]') FROM pg_class c, aclexplode(c.relacl) a
                    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
                    AND pg_get_userbyid(c.relowner) = %(owner)s AND a.grantee = r.oid AND a.privilege_type = privilege))
                FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) AS privilege),
            'sequences', (
                SELECT coalesce(json_agg(c.oid::regclass::text), '[]') FROM pg_class c
                WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'S' AND pg_get_userbyid(c.relowner) = %(owner)s
                AND NOT (has_sequence_privilege(r.oid, c.oid, 'USAGE') AND has_sequence_privilege(r.oid, c.oid, 'SELECT'))),
            'default', (
                SELECT coalesce(json_agg(a.privilege_type), '[]') FROM pg_default_acl d, aclexplode(d.defaclacl) a
                WHERE pg_get_userbyid(d.defaclrole) = %(owner)s AND d.defaclnamespace = 'public'::regnamespace
                AND d.defaclobjtype = 'r' AND a.grantee = r.oid),
            'default_sequences', EXISTS (
                SELECT FROM pg_default_acl d, aclexplode(d.defaclacl) a
                WHERE pg_get_userbyid(d.defaclrole) = %(owner)s AND d.defaclnamespace = 'public'::regnamespace
                AND d.defaclobjtype = 'S' AND a.grantee = r.oid)))
        FROM pg_roles r WHERE r.rolname = ANY(string_to_array(%(users)s, ','))), '{}'),
    'tables', (
        SELECT coalesce(json_agg(c.relname), '[]') FROM pg_class c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'm')),
    'indexes', coalesce((
        SELECT json_object_agg(c.relname, json_build_object(
            'table', t.relname, 'method', m.amname, 'valid', i.indisvalid, 'options', c.reloptions,
            'operator_class', (SELECT opcname FROM pg_opclass WHERE oid = i.indclass[0]),
            'mark', obj_description(c.oid, 'pg_class'),
            'under_way', EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.index_relid = c.oid)))
        FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
        JOIN pg_am m ON m.oid = c.relam
        WHERE c.relnamespace = 'public'::regnamespace AND m.amname IN ('hnsw', 'ivfflat')), '{}')
) AS state
