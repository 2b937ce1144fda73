-- A state as version 2 of the schema holds it: what test/support/lives.ts leaves behind when its first process is killed.
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
        occurrence_hashes  BLOB    NOT NULL
      , checksum INTEGER NOT NULL DEFAULT 0) STRICT;
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
INSERT INTO meta (name, value, checksum) VALUES ('hash_secret', x'2be41d454e733108a3f17a8f3f323173c62708f7db9456f9a6ac735c0224fa7f69ba5225e40681cf678f405b6032f895a4f94ba8c9b57d56cb05d593cd84d182f4e333044be2bdf02d5f6b4725916ada', 994585118);
INSERT INTO meta (name, value, checksum) VALUES ('schema_version', x'32', 2716131200);
INSERT INTO object (object_id, uri, workspace_id, date, settled_etag, settled_size_bytes, settled_modified_at_ms, settled_offset_bytes, settled_line_count, settled_digest, has_line_hashes, accepted_count, dead_lettered_count) VALUES (1, 's3://audit/unchanged', '1', '2026-01-31', 'ef84078a18c6609273a134d1cb0ac8d5', 180, 1760000000000, 180, 9, x'646a8844cea6f1de784c1cbff71cd2ecf9a7fcf9c2736ebfdb3763c32fa2be8e', 1, 9, 0);
INSERT INTO object (object_id, uri, workspace_id, date, settled_etag, settled_size_bytes, settled_modified_at_ms, settled_offset_bytes, settled_line_count, settled_digest, has_line_hashes, accepted_count, dead_lettered_count) VALUES (2, 's3://audit/extended', '1', '2026-01-31', '8e3cb94ce7a08a3b81a8361d0103d029', 180, 1760000000000, 180, 9, x'ca0f82b06cc91d0ccf048bb647d4a580c6ff4cdd9f61b7cde01e0a818fb78674', 1, 9, 0);
INSERT INTO object (object_id, uri, workspace_id, date, settled_etag, settled_size_bytes, settled_modified_at_ms, settled_offset_bytes, settled_line_count, settled_digest, has_line_hashes, accepted_count, dead_lettered_count) VALUES (3, 's3://audit/reordered', '1', '2026-01-31', 'e46fc6e7f40bfbaae9599e854498d276', 180, 1760000000000, 180, 9, x'93f7d5cc57847feb9e5b92b6cf43c1408ac73b3a39a5852dd9d935011b0db57a', 1, 9, 0);
INSERT INTO object (object_id, uri, workspace_id, date, settled_etag, settled_size_bytes, settled_modified_at_ms, settled_offset_bytes, settled_line_count, settled_digest, has_line_hashes, accepted_count, dead_lettered_count) VALUES (4, 's3://audit/doubled', '1', '2026-01-31', 'dc30cb795cf214de61ca202515a4ae28', 180, 1760000000000, 180, 9, x'2d41c267ff74189d1a7335e18dd2e3fd67fb7f7da8a4ca405a190bba0e54c7a8', 1, 9, 0);
INSERT INTO object (object_id, uri, workspace_id, date, settled_etag, settled_size_bytes, settled_modified_at_ms, settled_offset_bytes, settled_line_count, settled_digest, has_line_hashes, accepted_count, dead_lettered_count) VALUES (5, 's3://audit/unended', '1', '2026-01-31', '802af060a1ccdff92f6e87e3adabe6d3', 69, 1760000000000, 69, 4, x'e55f8199535063390ddf635f19de6dc48d01cc84c8d23e5c515942aac8dda083', 1, 4, 0);
INSERT INTO object (object_id, uri, workspace_id, date, settled_etag, settled_size_bytes, settled_modified_at_ms, settled_offset_bytes, settled_line_count, settled_digest, has_line_hashes, accepted_count, dead_lettered_count) VALUES (6, 's3://audit/interrupted', '1', '2026-01-31', NULL, NULL, NULL, 60, 3, x'58c4638d590a76a9bc8b81ecf24bfce17cdef10b24b1fc39e0cf6f9b3c45538c', 1, 3, 0);
INSERT INTO announcement (announcement_id, object_id, observed_at_ms, occurrence_hashes, checksum) VALUES (2, 6, 1760000000000, x'fa646992acb5f50574fb03d7cf2d9bf74dff0e66841e3990', 1418262229);
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum) VALUES (1, 1, x'06ed9313f7c2438c65a119da08b22b2fc3fb51be96ddd01d', 1697324857);
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum) VALUES (2, 1, x'a67bb0489cec40e7b2e0bbc1875d8b9b9185ad1cc00fef7e', 826885740);
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum) VALUES (3, 1, x'e4c1dba32a3dfe8aede265ec9b6c60ccf2c30b5fd99f52c5', 2106054257);
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum) VALUES (4, 2, x'3c56ed0e2b926e93d815f7bf0981f030e5146b6df241be70', 329132661);
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum) VALUES (5, 2, x'06bde0aa468badc517e4ae6976b17d49d3505bb4ababb558', 3938162756);
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum) VALUES (6, 2, x'd0763e4c59ca60931e378746aa538e6e8d901cf6ee5308e7', 457278023);
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum) VALUES (7, 3, x'9c8741267e900001dbe3e14b1763928fc25dc0aae14cb21e', 755802982);
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum) VALUES (8, 3, x'fb31a441d4d799d9eaed120276ffbb430e6f848cc28f24ea', 1191005340);
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum) VALUES (9, 3, x'da39be730549199c4f8a1da718909d0ec19821e5a7ea8842', 1720966437);
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum) VALUES (10, 4, x'2e8918369b4c39e1b8c06916db4142daca3fe443ccd56e50', 4290310525);
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum) VALUES (11, 4, x'b3769341e7ed1eb1735e40c1f822ca6df32d1a4e2faa7949', 3286805344);
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum) VALUES (12, 4, x'ba30968f50ef77943c690a5fa934f5833664eb052b6f82df', 60208871);
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum) VALUES (13, 5, x'a90be8c256e0bc6ad97523b47b62c8790f2be41ae3b0c9ad', 638745415);
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum) VALUES (14, 5, x'5c8853c58ff04b87', 3304678977);
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum) VALUES (15, 6, x'be7dd8d8768aa1a77a30ad87688c4f9d7c89aef32e89b837', 3974523113);
INSERT INTO workspace (workspace_id, last_event_ms, silent_since_ms, silence_threshold_ms, silence_told, silence_ended_by_ms, checksum) VALUES ('1', 1759999100000, NULL, NULL, 0, NULL, 3395024579);
PRAGMA user_version = 2;
