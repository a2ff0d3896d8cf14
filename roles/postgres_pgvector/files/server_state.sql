-- All that the role wants to know of the server, in one answer.
SELECT json_build_object(
    'version', current_setting('server_version_num')::int,
    'started', pg_postmaster_start_time()::text,
    'others', (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()),
    -- Files that are newer than what the server has loaded of them.
    'stale', coalesce((
        SELECT json_agg(file)
        FROM unnest(ARRAY[current_setting('hba_file'), current_setting('config_file'), %(dropin)s]) AS file
        WHERE (pg_stat_file(file, true)).change > pg_conf_load_time()), '[]'),
    'settings', coalesce((
        SELECT json_agg(json_build_object(
            'name', name, 'setting', setting, 'unit', unit, 'vartype', vartype, 'context', context,
            'pending_restart', pending_restart, 'source', coalesce(sourcefile, source)))
        FROM pg_settings WHERE name = ANY(string_to_array(%(names)s, ','))), '[]'),
    -- What a file says that only a restart applies; the default where no file says it any more.
    'pending', coalesce((
        SELECT json_agg(json_build_object(
            'name', name, 'setting', setting, 'unit', unit, 'source', coalesce(sourcefile, source),
            'wanted', coalesce(
                (SELECT f.setting FROM pg_file_settings f WHERE f.name = s.name ORDER BY seqno DESC LIMIT 1),
                'its default')) ORDER BY name)
        FROM pg_settings s WHERE pending_restart), '[]'),
    'file_errors', coalesce((
        SELECT json_agg(concat_ws(' ', name, error, sourcefile, sourceline::text))
        FROM pg_file_settings
        WHERE error IS NOT NULL AND error <> 'setting could not be applied'), '[]'),
    'hba_errors', coalesce((
        SELECT json_agg(concat_ws(' ', 'line', line_number::text, error)) FROM pg_hba_file_rules WHERE error IS NOT NULL), '[]'),
    'roles', (
        SELECT json_object_agg(rolname, json_build_object(
            'login', rolcanlogin,
            'powers', rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls,
            'password', encode(sha256(convert_to(rolpassword, 'UTF8')), 'hex')))
        FROM pg_authid WHERE rolname !~ '^pg_'),
    'memberships', coalesce((
        SELECT json_agg(json_build_array(pg_get_userbyid(roleid), pg_get_userbyid(member)))
        FROM pg_auth_members WHERE pg_get_userbyid(roleid) !~ '^pg_'), '[]'),
    'databases', (
        SELECT json_object_agg(datname, json_build_object(
            'owner', pg_get_userbyid(datdba),
            'public', has_database_privilege('public', d.oid, 'CONNECT') OR has_database_privilege('public', d.oid, 'TEMPORARY'),
            'connect', coalesce((
                SELECT json_agg(pg_get_userbyid(grantee))
                FROM aclexplode(datacl) WHERE privilege_type = 'CONNECT' AND grantee <> 0), '[]'),
            'settings', coalesce((
                SELECT json_object_agg(split_part(entry, '=', 1), substr(entry, strpos(entry, '=') + 1))
                FROM pg_db_role_setting s, unnest(s.setconfig) AS entry WHERE s.setdatabase = d.oid AND s.setrole = 0), '{}'),
            'roles', coalesce((
                SELECT json_object_agg(pg_get_userbyid(s.setrole), substr(entry, 6))
                FROM pg_db_role_setting s, unnest(s.setconfig) AS entry
                WHERE s.setdatabase = d.oid AND s.setrole <> 0 AND entry ~ '^role='), '{}')))
        FROM pg_database d WHERE NOT datistemplate)
) AS state
