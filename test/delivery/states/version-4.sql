-- A state as version 4 of the schema holds it: what test/support/lives.ts leaves behind when its first process is killed.
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
INSERT INTO meta (name, value, checksum) VALUES ('hash_secret', x'59797f641ff436193af163c66c5290eafefd21b57a5ecc51501a13f28f6ec078b033bc8d3d3b419e59ce0fc826b9ecb8889acd3d7c7e75a4f3e41f9e1dfcd42bcc0ab9003842da3edd8c6c509a2f54fb', 3423902439);
INSERT INTO meta (name, value, checksum) VALUES ('schema_version', x'34', 1216838325);
INSERT INTO object (object_id, uri, workspace_id, date, settled_etag, settled_size_bytes, settled_modified_at_ms, settled_offset_bytes, settled_line_count, settled_digest, has_line_hashes, accepted_count, dead_lettered_count, unparsed_count) VALUES (1, 's3://audit/unchanged', '1', '2026-01-31', 'ef84078a18c6609273a134d1cb0ac8d5', 180, 1760000000000, 180, 9, x'646a8844cea6f1de784c1cbff71cd2ecf9a7fcf9c2736ebfdb3763c32fa2be8e', 1, 9, 0, 0);
INSERT INTO object (object_id, uri, workspace_id, date, settled_etag, settled_size_bytes, settled_modified_at_ms, settled_offset_bytes, settled_line_count, settled_digest, has_line_hashes, accepted_count, dead_lettered_count, unparsed_count) VALUES (2, 's3://audit/extended', '1', '2026-01-31', '8e3cb94ce7a08a3b81a8361d0103d029', 180, 1760000000000, 180, 9, x'ca0f82b06cc91d0ccf048bb647d4a580c6ff4cdd9f61b7cde01e0a818fb78674', 1, 9, 0, 0);
INSERT INTO object (object_id, uri, workspace_id, date, settled_etag, settled_size_bytes, settled_modified_at_ms, settled_offset_bytes, settled_line_count, settled_digest, has_line_hashes, accepted_count, dead_lettered_count, unparsed_count) VALUES (3, 's3://audit/reordered', '1', '2026-01-31', 'e46fc6e7f40bfbaae9599e854498d276', 180, 1760000000000, 180, 9, x'93f7d5cc57847feb9e5b92b6cf43c1408ac73b3a39a5852dd9d935011b0db57a', 1, 9, 0, 0);
INSERT INTO object (object_id, uri, workspace_id, date, settled_etag, settled_size_bytes, settled_modified_at_ms, settled_offset_bytes, settled_line_count, settled_digest, has_line_hashes, accepted_count, dead_lettered_count, unparsed_count) VALUES (4, 's3://audit/doubled', '1', '2026-01-31', 'dc30cb795cf214de61ca202515a4ae28', 180, 1760000000000, 180, 9, x'2d41c267ff74189d1a7335e18dd2e3fd67fb7f7da8a4ca405a190bba0e54c7a8', 1, 9, 0, 0);
INSERT INTO object (object_id, uri, workspace_id, date, settled_etag, settled_size_bytes, settled_modified_at_ms, settled_offset_bytes, settled_line_count, settled_digest, has_line_hashes, accepted_count, dead_lettered_count, unparsed_count) VALUES (5, 's3://audit/unended', '1', '2026-01-31', '802af060a1ccdff92f6e87e3adabe6d3', 69, 1760000000000, 69, 4, x'e55f8199535063390ddf635f19de6dc48d01cc84c8d23e5c515942aac8dda083', 1, 4, 0, 0);
INSERT INTO object (object_id, uri, workspace_id, date, settled_etag, settled_size_bytes, settled_modified_at_ms, settled_offset_bytes, settled_line_count, settled_digest, has_line_hashes, accepted_count, dead_lettered_count, unparsed_count) VALUES (6, 's3://audit/interrupted', '1', '2026-01-31', NULL, NULL, NULL, 60, 3, x'58c4638d590a76a9bc8b81ecf24bfce17cdef10b24b1fc39e0cf6f9b3c45538c', 1, 3, 0, 0);
INSERT INTO announcement (announcement_id, object_id, observed_at_ms, line_hashes, checksum, occurrences) VALUES (2, 6, 1760000000000, x'a653875712db1f7be3a5e6dbf87f429e0bc3a7037e62c2c7', 952948248, x'');
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum) VALUES (1, 1, x'352044528e807931e62f9c0fd98e76468642f0c87fc2d850', 3320984999);
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum) VALUES (2, 1, x'97a30c27c44497e704d3697a7aedb237ac3380e20173d3d3', 3503130591);
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum) VALUES (3, 1, x'73629a7e573d897b05fa3fbbeb6433b71d707a17a747eaf8', 3436221100);
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum) VALUES (4, 2, x'11139e3d67347f613014a27b1e17181a018e2707b0b4b648', 503608504);
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum) VALUES (5, 2, x'e99c823e70142990852bb74427cf65330b36bef5ee68997a', 3954946351);
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum) VALUES (6, 2, x'bcc68b194055c5106b6378516630a23b4af9a9aba6aa1426', 3882666503);
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum) VALUES (7, 3, x'8a486d954825f4437e62358c93a2ed80a0a1896e6a9e6219', 101511740);
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum) VALUES (8, 3, x'35875789aaa218f8779668e04e3c043b9c753ac603ab5432', 3849834342);
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum) VALUES (9, 3, x'678e1814a528d25778e0863df0d1c88cccf98fd85be0690d', 1757728440);
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum) VALUES (10, 4, x'8b4c5c6bd47025e97688c32a6f9d1aac5863dbf40950bf4f', 2558963616);
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum) VALUES (11, 4, x'c05eda21f57139257c9031b8e50eb8aa8b6adc6aab3f426b', 4177497172);
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum) VALUES (12, 4, x'04e92ac6c0b2ee67cc3665dd27954a23d73dce415bc4c04b', 40288606);
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum) VALUES (13, 5, x'aa8cfb2848112b145165f4bd7c2b8b5e0ec9aec72897ce51', 208420122);
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum) VALUES (14, 5, x'e2d10d23de0d7483', 2982556457);
INSERT INTO line_hashes (line_hashes_id, object_id, hashes, checksum) VALUES (15, 6, x'301f827152d3ea06ee85a0ff9a82ae829f3b80b56c892a4e', 2419022469);
INSERT INTO workspace (workspace_id, last_event_ms, silent_since_ms, silence_threshold_ms, silence_told, silence_ended_by_ms, checksum) VALUES ('1', 1759999100000, NULL, NULL, 0, NULL, 3395024579);
PRAGMA user_version = 4;
