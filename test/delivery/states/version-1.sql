-- A state as version 1 of the schema holds it: what test/support/lives.ts leaves behind when its first process is killed.
-- Written by the agent that had this version, and never changed.
CREATE TABLE meta (
        name  TEXT PRIMARY KEY,
        value BLOB NOT NULL
      ) STRICT, WITHOUT ROWID;
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
        settled_at_line_end     INTEGER NOT NULL,
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
      ) STRICT;
CREATE INDEX announcement_by_object ON announcement (object_id);
CREATE TABLE line_hashes (
        line_hashes_id  INTEGER PRIMARY KEY,
        object_id       INTEGER NOT NULL,
        hashes          BLOB    NOT NULL
      ) STRICT;
CREATE INDEX line_hashes_by_object ON line_hashes (object_id);
INSERT INTO meta VALUES ('created_on', x'323032362d30312d3331');
INSERT INTO meta VALUES ('hash_secret', x'45a77183fdd1ad26c9e4ff62d2f36b434064bf0b4a35b2621651dd9eb6e72431d93507b21bfb7e8a233c49887de65ca9137a11e5244e5376b56da8a2616c506cf038447c236fcdb2a488fd5213a362fd');
INSERT INTO object VALUES (1, 's3://audit/unchanged', '1', '2026-01-31', 'ef84078a18c6609273a134d1cb0ac8d5', 180, 1760000000000, 180, 9, x'646a8844cea6f1de784c1cbff71cd2ecf9a7fcf9c2736ebfdb3763c32fa2be8e', 1, 1, 9, 0);
INSERT INTO object VALUES (2, 's3://audit/extended', '1', '2026-01-31', '8e3cb94ce7a08a3b81a8361d0103d029', 180, 1760000000000, 180, 9, x'ca0f82b06cc91d0ccf048bb647d4a580c6ff4cdd9f61b7cde01e0a818fb78674', 1, 1, 9, 0);
INSERT INTO object VALUES (3, 's3://audit/reordered', '1', '2026-01-31', 'e46fc6e7f40bfbaae9599e854498d276', 180, 1760000000000, 180, 9, x'93f7d5cc57847feb9e5b92b6cf43c1408ac73b3a39a5852dd9d935011b0db57a', 1, 1, 9, 0);
INSERT INTO object VALUES (4, 's3://audit/doubled', '1', '2026-01-31', 'dc30cb795cf214de61ca202515a4ae28', 180, 1760000000000, 180, 9, x'2d41c267ff74189d1a7335e18dd2e3fd67fb7f7da8a4ca405a190bba0e54c7a8', 1, 1, 9, 0);
INSERT INTO object VALUES (5, 's3://audit/unended', '1', '2026-01-31', '802af060a1ccdff92f6e87e3adabe6d3', 69, 1760000000000, 69, 4, x'e55f8199535063390ddf635f19de6dc48d01cc84c8d23e5c515942aac8dda083', 0, 1, 4, 0);
INSERT INTO object VALUES (6, 's3://audit/interrupted', '1', '2026-01-31', NULL, NULL, NULL, 60, 3, x'58c4638d590a76a9bc8b81ecf24bfce17cdef10b24b1fc39e0cf6f9b3c45538c', 1, 1, 3, 0);
INSERT INTO announcement VALUES (2, 6, 1760000000000, x'712247810763eed1dbc8b19a96d6116ec75777e6d9e711bb');
INSERT INTO line_hashes VALUES (1, 1, x'fbe4e4f0d7702a14f07f64c9a33840b4a8076369e6f74977');
INSERT INTO line_hashes VALUES (2, 1, x'b9f830f85cedde4e09cada09546ce28bce55084a291ce943');
INSERT INTO line_hashes VALUES (3, 1, x'c63e527e51723d1f679244514f0f912542526efd11a4501f');
INSERT INTO line_hashes VALUES (4, 2, x'181b2253c2b54b56df112f5adf226f4ee454e891f744bd0a');
INSERT INTO line_hashes VALUES (5, 2, x'cd8c290b50f8b248afa14002b5df001c127ab3b531e144ad');
INSERT INTO line_hashes VALUES (6, 2, x'1a21f4b865866ce70db10f4c39e1d188a4a37f3f4bc0598e');
INSERT INTO line_hashes VALUES (7, 3, x'fd7b54711784bd13eba93c57e87d1adcd13cf4469f2ef446');
INSERT INTO line_hashes VALUES (8, 3, x'97896f52c6dc9da9397d6c01ae61f3ee96f55abe0a5d2027');
INSERT INTO line_hashes VALUES (9, 3, x'ac4f425b490cc1b269bd90cce50d5bbb6a50f34a0b9958f6');
INSERT INTO line_hashes VALUES (10, 4, x'76d9015fc26d1b7abf08aacc00a1fd4faaf89575476fefa9');
INSERT INTO line_hashes VALUES (11, 4, x'4e36280f37650b3b93d9b136c1dadf3e8c478cdfad2ebb4b');
INSERT INTO line_hashes VALUES (12, 4, x'89abde64604916d97cd698c62f935832d5a466860714a6ba');
INSERT INTO line_hashes VALUES (13, 5, x'1f6f5842dbe05b63cdeef60a4bfdb44e13c9f2bb4dae931b');
INSERT INTO line_hashes VALUES (14, 5, x'1982b77ffeef3d00');
INSERT INTO line_hashes VALUES (15, 6, x'a4ecc934238db560ed19274c91505065c300ab8ccd845d72');
PRAGMA user_version = 1;
