-- A state as version 5 of the schema holds it: what test/support/lives.ts leaves behind when its first process is killed.
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
      , unparsed_count INTEGER NOT NULL DEFAULT 0) STRICT;
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
      , checksum INTEGER NOT NULL DEFAULT 0, observed_at_ms INTEGER) STRICT;
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
INSERT INTO meta (name, value, checksum) VALUES ('hash_secret', x'd180acb4cb555807da9da5a90639963bb15bc65637718fb2029b454f8ffbe7c83ba98252c69446b70679d3e3aba3dde85ba0a752ad035b3d2a17c1183841216beca8ccaef33142e34d3176a4c0c8b726', 1103343420);
INSERT INTO meta (name, value, checksum) VALUES ('schema_version', x'35', 1065372195);
INSERT INTO object (object_id, uri, workspace_id, date, settled_etag, settled_size_bytes, settled_modified_at_ms, settled_offset_bytes, settled_line_count, settled_digest, has_line_hashes, accepted_count, dead_lettered_count, unparsed_count) VALUES (1, 's3://audit/unchanged', '1', '2026-01-31', 'ef84078a18c6609273a134d1cb0ac8d5', 180, 1760000000000, 180, 9, x'646a8844cea6f1de784c1cbff71cd2ecf9a7fcf9c2736ebfdb3763c32fa2be8e', 1, 9, 0, 0);
INSERT INTO object (object_id, uri, workspace_id, date, settled_etag, settled_size_bytes, settled_modified_at_ms, settled_offset_bytes, settled_line_count, settled_digest, has_line_hashes, accepted_count, dead_lettered_count, unparsed_count) VALUES (2, 's3://audit/extended', '1', '2026-01-31', '8e3cb94ce7a08a3b81a8361d0103d029', 180, 1760000000000, 180, 9, x'ca0f82b06cc91d0ccf048bb647d4a580c6ff4cdd9f61b7cde01e0a818fb78674', 1, 9, 0, 0);
INSERT INTO object (object_id, uri, workspace_id, date, settled_etag, settled_size_bytes, settled_modified_at_ms, settled_offset_bytes, settled_line_count, settled_digest, has_line_hashes, accepted_count, dead_lettered_count, unparsed_count) VALUES (3, 's3://audit/reordered', '1', '2026-01-31', 'e46fc6e7f40bfbaae9599e854498d276', 180, 1760000000000, 180, 9, x'93f7d5cc57847feb9e5b92b6cf43c1408ac73b3a39a5852dd9d935011b0db57a', 1, 9, 0, 0);
INSERT INTO object (object_id, uri, workspace_id, date, settled_etag, settled_size_bytes, settled_modified_at_ms, settled_offset_bytes, settled_line_count, settled_digest, has_line_hashes, accepted_count, dead_lettered_count, unparsed_count) VALUES (4, 's3://audit/doubled', '1', '2026-01-31', 'dc30cb795cf214de61ca202515a4ae28', 180, 1760000000000, 180, 9, x'2d41c267ff74189d1a7335e18dd2e3fd67fb7f7da8a4ca405a190bba0e54c7a8', 1, 9, 0, 0);
INSERT INTO object (object_id, uri, workspace_id, date, settled_etag, settled_size_bytes, settled_modified_at_ms, settled_offset_bytes, settled_line_count, settled_digest, has_line_hashes, accepted_count, dead_lettered_count, unparsed_count) VALUES (5, 's3://audit/unended', '1', '2026-01-31', '802af060a1ccdff92f6e87e3adabe6d3', 69, 1760000000000, 69, 4, x'e55f8199535063390ddf635f19de6dc48d01cc84c8d23e5c515942aac8dda083', 1, 4, 0, 0);
INSERT INTO object (object_id, uri, workspace_id, date, settled_etag, settled_size_bytes, settled_modified_at_ms, settled_offset_bytes, settled_line_count, settled_digest, has_line_hashes, accepted_count, dead_lettered_count, unparsed_count) VALUES (6, 's3://audit/interrupted', '1', '2026-01-31', NULL, NULL, NULL, 60, 3, x'58c4638d590a76a9bc8b81ecf24bfce17cdef10b24b1fc39e0cf6f9b3c45538c', 1, 3, 0, 0);
INSERT INTO announcement (announcement_id, object_id, observed_at_ms, line_hashes, checksum, occurrences) VALUES (2, 6, 1760000000000, x'd1809d9b2f92e293042b2300487037b3954b2bd6fdb8464f', 2716033029, x'');
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum, observed_at_ms) VALUES (1, 1, x'66335cb07c8eb1121c8abe28711852ab9d0a734acbb5b07b', 2944485421, 1760000000000);
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum, observed_at_ms) VALUES (2, 1, x'd8a0abf5203fefae27e4e8dc18e6d6ad0bb5824fcf526579', 3415607539, 1760000000000);
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum, observed_at_ms) VALUES (3, 1, x'479caa17eb8867f4d28d14966e91b8115409227954aa4f98', 2990354946, 1760000000000);
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum, observed_at_ms) VALUES (4, 2, x'2c0f0e6a4c7c4e6cf92b802d332c6bcbabdbfbebfe9dd3b5', 1472081081, 1760000000000);
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum, observed_at_ms) VALUES (5, 2, x'81445057ff7d674f64d9c21f55d63c3f5b1cffc04aa8d297', 1326935907, 1760000000000);
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum, observed_at_ms) VALUES (6, 2, x'c8aa13a64943cab0da549877df4ecb6d0c79c447b630c360', 2084717016, 1760000000000);
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum, observed_at_ms) VALUES (7, 3, x'210dc2d91f02e2d351f14cfeaefb5a73e0a9fdabf0db05d7', 2976651960, 1760000000000);
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum, observed_at_ms) VALUES (8, 3, x'b9dd462226c1b79127688a85ae04c8104f3a88fc01d7dd30', 2535866735, 1760000000000);
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum, observed_at_ms) VALUES (9, 3, x'd7f99183f3f2d44668767384d4be2ac77207d5f96e1b7266', 1585626433, 1760000000000);
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum, observed_at_ms) VALUES (10, 4, x'3e45b301f71a5594d854351dcd9ad43c44b4dd803dd914b9', 903577301, 1760000000000);
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum, observed_at_ms) VALUES (11, 4, x'bcc56ac502d9b7a62a4bc0d1843750bd095d832b2846199c', 2872316514, 1760000000000);
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum, observed_at_ms) VALUES (12, 4, x'1d7890c5d91edb78773dc780d130b188c3cb14342dbb6159', 77756488, 1760000000000);
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum, observed_at_ms) VALUES (13, 5, x'0346d22b036c372a815366a1698c21acecab386273fe24f0', 2152828095, 1760000000000);
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum, observed_at_ms) VALUES (14, 5, x'0c60c3af9c95d9c0', 4137413424, 1760000000000);
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum, observed_at_ms) VALUES (15, 6, x'5c74c6c174a883318dc18877fbc650ef2e28c9f1c91defe2', 4030309479, 1760000000000);
INSERT INTO workspace (workspace_id, last_event_ms, silent_since_ms, silence_threshold_ms, silence_told, silence_ended_by_ms, checksum) VALUES ('1', 1759999100000, NULL, NULL, 0, NULL, 3395024579);
PRAGMA user_version = 5;
