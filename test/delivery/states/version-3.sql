-- A state as version 3 of the schema holds it: what test/support/lives.ts leaves behind when its first process is killed.
-- Written by the agent that had this version, and never changed.
CREATE TABLE meta (
        name  TEXT PRIMARY KEY,
        value BLOB NOT NULL
      , checksum INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID;
CREATE TABLE object (
        object_id               INTEGER PRIMARY KEY,
        uri                     TEXT    NOT NULL UNIQUE,
        workspace_id            TEXT,
        date                    TEXT,
        -- The version whose end was reached; NULL before that.
        settled_etag            TEXT,
        settled_size_bytes      INTEGER,
        settled_modified_at_ms  INTEGER,
        -- Everything before this position of the decoded object is settled.
        settled_offset_bytes    INTEGER NOT NULL,
        settled_line_count      INTEGER NOT NULL,
        settled_digest          BLOB    NOT NULL,
        has_line_hashes         INTEGER NOT NULL DEFAULT 1,
        accepted_count          INTEGER NOT NULL DEFAULT 0,
        dead_lettered_count     INTEGER NOT NULL DEFAULT 0
      ) STRICT;
CREATE INDEX object_by_date ON object (date) WHERE has_line_hashes = 1;
CREATE TABLE announcement (
        announcement_id    INTEGER PRIMARY KEY,
        object_id          INTEGER NOT NULL,
        observed_at_ms     INTEGER NOT NULL,
        line_hashes  BLOB    NOT NULL
      , checksum INTEGER NOT NULL DEFAULT 0, occurrences BLOB) STRICT;
CREATE INDEX announcement_by_object ON announcement (object_id);
CREATE TABLE line_hashes (
        line_hashes_id  INTEGER PRIMARY KEY,
        object_id       INTEGER NOT NULL,
        hashes          BLOB    NOT NULL
      , checksum INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE INDEX line_hashes_by_object ON line_hashes (object_id);
CREATE TABLE workspace (
        workspace_id          TEXT    PRIMARY KEY,
        last_event_ms         INTEGER NOT NULL,
        silent_since_ms       INTEGER,
        silence_threshold_ms  INTEGER,
        silence_told          INTEGER NOT NULL,
        silence_ended_by_ms   INTEGER,
        checksum              INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID;
INSERT INTO meta (name, value, checksum) VALUES ('created_on', x'323032362d30312d3331', 1689897740);
INSERT INTO meta (name, value, checksum) VALUES ('hash_secret', x'908a05ba3c501b394b664cd3af54383296dfb8a6a48eefde7f51fbdfebcd114f931a56572c636832679bb114e62f2f986574a66e356baa656dd42dadf3f366f5fd99a882911c3c2259351353b17699af', 2140355095);
INSERT INTO meta (name, value, checksum) VALUES ('schema_version', x'33', 3605262102);
INSERT INTO object (object_id, uri, workspace_id, date, settled_etag, settled_size_bytes, settled_modified_at_ms, settled_offset_bytes, settled_line_count, settled_digest, has_line_hashes, accepted_count, dead_lettered_count) VALUES (1, 's3://audit/unchanged', '1', '2026-01-31', 'ef84078a18c6609273a134d1cb0ac8d5', 180, 1760000000000, 180, 9, x'646a8844cea6f1de784c1cbff71cd2ecf9a7fcf9c2736ebfdb3763c32fa2be8e', 1, 9, 0);
INSERT INTO object (object_id, uri, workspace_id, date, settled_etag, settled_size_bytes, settled_modified_at_ms, settled_offset_bytes, settled_line_count, settled_digest, has_line_hashes, accepted_count, dead_lettered_count) VALUES (2, 's3://audit/extended', '1', '2026-01-31', '8e3cb94ce7a08a3b81a8361d0103d029', 180, 1760000000000, 180, 9, x'ca0f82b06cc91d0ccf048bb647d4a580c6ff4cdd9f61b7cde01e0a818fb78674', 1, 9, 0);
INSERT INTO object (object_id, uri, workspace_id, date, settled_etag, settled_size_bytes, settled_modified_at_ms, settled_offset_bytes, settled_line_count, settled_digest, has_line_hashes, accepted_count, dead_lettered_count) VALUES (3, 's3://audit/reordered', '1', '2026-01-31', 'e46fc6e7f40bfbaae9599e854498d276', 180, 1760000000000, 180, 9, x'93f7d5cc57847feb9e5b92b6cf43c1408ac73b3a39a5852dd9d935011b0db57a', 1, 9, 0);
INSERT INTO object (object_id, uri, workspace_id, date, settled_etag, settled_size_bytes, settled_modified_at_ms, settled_offset_bytes, settled_line_count, settled_digest, has_line_hashes, accepted_count, dead_lettered_count) VALUES (4, 's3://audit/doubled', '1', '2026-01-31', 'dc30cb795cf214de61ca202515a4ae28', 180, 1760000000000, 180, 9, x'2d41c267ff74189d1a7335e18dd2e3fd67fb7f7da8a4ca405a190bba0e54c7a8', 1, 9, 0);
INSERT INTO object (object_id, uri, workspace_id, date, settled_etag, settled_size_bytes, settled_modified_at_ms, settled_offset_bytes, settled_line_count, settled_digest, has_line_hashes, accepted_count, dead_lettered_count) VALUES (5, 's3://audit/unended', '1', '2026-01-31', '802af060a1ccdff92f6e87e3adabe6d3', 69, 1760000000000, 69, 4, x'e55f8199535063390ddf635f19de6dc48d01cc84c8d23e5c515942aac8dda083', 1, 4, 0);
INSERT INTO object (object_id, uri, workspace_id, date, settled_etag, settled_size_bytes, settled_modified_at_ms, settled_offset_bytes, settled_line_count, settled_digest, has_line_hashes, accepted_count, dead_lettered_count) VALUES (6, 's3://audit/interrupted', '1', '2026-01-31', NULL, NULL, NULL, 60, 3, x'58c4638d590a76a9bc8b81ecf24bfce17cdef10b24b1fc39e0cf6f9b3c45538c', 1, 3, 0);
INSERT INTO announcement (announcement_id, object_id, observed_at_ms, line_hashes, checksum, occurrences) VALUES (2, 6, 1760000000000, x'9eb948d1b74c5a0e58e3fca1734e98eb3eed8969b2db6cc6', 1818464864, x'');
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum) VALUES (1, 1, x'ac82c0b459a5f78c0c840ac2242b9d580c591a8b81b0ecf5', 2307543590);
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum) VALUES (2, 1, x'9483c7b91cf1424de1d093b863e996ae1ba3a568c58b1da0', 1734539112);
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum) VALUES (3, 1, x'612797be510e4463aec4fd34b5b6fc68148106e62301ed57', 1538582241);
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum) VALUES (4, 2, x'681b8823f7e15c1516ee5cc8f1a585962a7e8129481512b4', 3060487261);
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum) VALUES (5, 2, x'e788687c23482cd3420f48e32ba4c4dfc7fa8727765dbb43', 1220673457);
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum) VALUES (6, 2, x'71cab0eda4d435f7bf316abc6ddfa9370f1ce971bb6a5be5', 3217395729);
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum) VALUES (7, 3, x'aa2ba9877ac626699cdf47a5ce6e8c516625001e710c3c3c', 1069249797);
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum) VALUES (8, 3, x'62abd39492e85aa7ab069b3a7c0f20069420333e922a8a82', 3102768408);
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum) VALUES (9, 3, x'4c448a078ad92a543e526a38499f2bfcef88ad9fc8abd8c6', 3865525584);
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum) VALUES (10, 4, x'333ac3897da8cd6fc44cc5933d6e2ad48d23c6ffe8516c70', 1261495535);
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum) VALUES (11, 4, x'f4baf38edaa0eb27f96b81d7f63132c5477e1e50add2fd37', 3270665499);
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum) VALUES (12, 4, x'97ae4867d5be591801e9df78f08ab1609a9a9909e41622cc', 1687228721);
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum) VALUES (13, 5, x'602e022c1c8f49066adacc4a8e13f94c68b40ca2496f1010', 1199705005);
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum) VALUES (14, 5, x'6b7c4c293f517c4d', 3927591464);
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum) VALUES (15, 6, x'882723516bdcb02d331eda73eed6fb00203f58a4f78f7739', 3524210963);
INSERT INTO workspace (workspace_id, last_event_ms, silent_since_ms, silence_threshold_ms, silence_told, silence_ended_by_ms, checksum) VALUES ('1', 1759999100000, NULL, NULL, 0, NULL, 3395024579);
PRAGMA user_version = 3;
