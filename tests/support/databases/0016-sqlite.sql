BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0016');
CREATE TABLE api_batches (
	id TEXT NOT NULL, 
	owner TEXT NOT NULL, 
	created TEXT NOT NULL, 
	items TEXT NOT NULL, 
	name TEXT DEFAULT '' NOT NULL, 
	PRIMARY KEY (id)
)
 WITHOUT ROWID

;
CREATE TABLE api_keys (
	id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	hash TEXT NOT NULL, 
	scopes TEXT NOT NULL, 
	created TEXT NOT NULL, 
	expires TEXT, 
	revoked TEXT, 
	used TEXT, 
	files_per_hour INTEGER, 
	files_per_day INTEGER, 
	PRIMARY KEY (id)
)
 WITHOUT ROWID

;
CREATE TABLE api_requests (
	owner TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	fingerprint TEXT NOT NULL, 
	subject TEXT, 
	created TEXT NOT NULL, 
	PRIMARY KEY (owner, "key")
)
 WITHOUT ROWID

;
CREATE TABLE cases (
	id TEXT NOT NULL, 
	owner TEXT NOT NULL, 
	created TEXT NOT NULL, 
	touched TEXT NOT NULL, 
	entries INTEGER NOT NULL, 
	closed BOOLEAN NOT NULL, 
	analyses TEXT NOT NULL, 
	log TEXT NOT NULL, 
	PRIMARY KEY (id)
)
 WITHOUT ROWID

;
CREATE TABLE comparisons (
	id TEXT NOT NULL, 
	owner TEXT NOT NULL, 
	copy_sha256 TEXT NOT NULL, 
	original_sha256 TEXT NOT NULL, 
	version TEXT NOT NULL, 
	created TEXT NOT NULL, 
	comparison BLOB NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE footage (
	id TEXT NOT NULL, 
	owner TEXT NOT NULL, 
	sha256 TEXT NOT NULL, 
	name TEXT NOT NULL, 
	source TEXT NOT NULL, 
	added TEXT NOT NULL, 
	size INTEGER NOT NULL, 
	duration REAL, 
	frames INTEGER NOT NULL, 
	prints BLOB NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE lookups (
	owner TEXT NOT NULL, 
	sha256 TEXT NOT NULL, 
	match_sha256 TEXT NOT NULL, 
	name TEXT NOT NULL, 
	source TEXT NOT NULL, 
	start REAL NOT NULL, 
	mirrored BOOLEAN NOT NULL, 
	matched INTEGER NOT NULL, 
	asked INTEGER NOT NULL, 
	created TEXT NOT NULL, 
	searched INTEGER DEFAULT '0' NOT NULL, 
	by_faces BOOLEAN DEFAULT 0 NOT NULL, 
	PRIMARY KEY (owner, sha256)
)
 WITHOUT ROWID

;
CREATE TABLE preferences (
	owner TEXT NOT NULL, 
	chosen TEXT NOT NULL, 
	PRIMARY KEY (owner)
)
 WITHOUT ROWID

;
INSERT INTO "preferences" VALUES('local','{"keep_days":7.5,"find_originals":true,"watched":[],"base_rate":0.5,"language":"","mirror":false}');
CREATE TABLE presets (
	owner TEXT NOT NULL, 
	name TEXT NOT NULL, 
	ensemble TEXT NOT NULL, 
	PRIMARY KEY (owner, name)
)
 WITHOUT ROWID

;
INSERT INTO "presets" VALUES('local','mine','{"name":"mine","models":["sbi"],"weights":{},"min_models":1,"aggregation":"mean"}');
CREATE TABLE rate_counts (
	"key" TEXT NOT NULL, 
	slot INTEGER NOT NULL, 
	count INTEGER NOT NULL, 
	expires TEXT NOT NULL, 
	PRIMARY KEY ("key", slot)
)
 WITHOUT ROWID

;
CREATE TABLE records (
	id TEXT NOT NULL, 
	owner TEXT NOT NULL, 
	name TEXT NOT NULL, 
	sha256 TEXT NOT NULL, 
	source TEXT NOT NULL, 
	state TEXT NOT NULL, 
	run TEXT NOT NULL, 
	cache_key TEXT NOT NULL, 
	note TEXT NOT NULL, 
	confirmed TEXT NOT NULL, 
	search_text TEXT NOT NULL, 
	created TEXT NOT NULL, 
	touched TEXT NOT NULL, 
	size INTEGER NOT NULL, 
	tags TEXT NOT NULL, 
	settings TEXT NOT NULL, 
	fault TEXT, 
	last_cache_hit TEXT, 
	analyzed TEXT, 
	verdict TEXT, 
	question TEXT, 
	kind TEXT, 
	version TEXT, 
	probability REAL, 
	duration REAL, 
	subject_count INTEGER, 
	models TEXT DEFAULT '[]' NOT NULL, 
	seal TEXT, 
	interval TEXT, 
	proof TEXT, 
	PRIMARY KEY (id)
)
 WITHOUT ROWID

;
INSERT INTO "records" VALUES('ABCDEFGHIJKLMNOPQRSTU1','local','clip-1.mp4','0000000000000000000000000000000000000000000000000000000000000001','upload','done','server:1','key','seen','','clip-1.mp4
0000000000000000000000000000000000000000000000000000000000000001
seen
court
paris','2026-11-01T12:00:00.123456Z','2026-11-01T12:01:00.123456Z',1001,'["court", "paris"]','{"models":null,"sampling":"uniform","frames":32,"fps":5.0,"min_face":40,"faces":"mtcnn","start":0.0,"end":null,"rotate":null,"assume_speech":false,"ensemble":null}',NULL,NULL,'2026-11-20T10:42:00.000000Z','FAKE','manipulation','video','0.1.0',8.49891297012884461281e-01,14.2,2,'["sbi", "xcep", "clip"]',NULL,NULL,NULL);
INSERT INTO "records" VALUES('ABCDEFGHIJKLMNOPQRSTU2','local','clip-2.mp4','0000000000000000000000000000000000000000000000000000000000000002','upload','done','server:1','','','','clip-2.mp4
0000000000000000000000000000000000000000000000000000000000000002
','2026-11-01T12:00:00.123456Z','2026-11-01T12:02:00.123456Z',1002,'[]','{"models":null,"sampling":"uniform","frames":32,"fps":5.0,"min_face":40,"faces":"mtcnn","start":0.0,"end":null,"rotate":null,"assume_speech":false,"ensemble":null}',NULL,NULL,'2026-11-20T10:42:00.000000Z','REAL','manipulation','video','0.1.0',0.2,14.2,2,'["sbi", "xcep", "clip"]',NULL,NULL,'{"kind": "copy", "name": "press.mp4"}');
INSERT INTO "records" VALUES('ABCDEFGHIJKLMNOPQRSTU3','local','clip-3.mp4','0000000000000000000000000000000000000000000000000000000000000003','upload','queued','server:1','','','','clip-3.mp4
0000000000000000000000000000000000000000000000000000000000000003
','2026-11-01T12:00:00.123456Z','2026-11-01T12:03:00.123456Z',1003,'[]','{"models":null,"sampling":"uniform","frames":32,"fps":5.0,"min_face":40,"faces":"mtcnn","start":0.0,"end":null,"rotate":null,"assume_speech":false,"ensemble":null}',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'[]',NULL,NULL,NULL);
CREATE TABLE refusals (
	owner TEXT NOT NULL, 
	sha256 TEXT NOT NULL, 
	match_sha256 TEXT NOT NULL, 
	created TEXT NOT NULL, 
	PRIMARY KEY (owner, sha256, match_sha256)
)
 WITHOUT ROWID

;
CREATE TABLE results (
	id TEXT NOT NULL, 
	analysis BLOB NOT NULL, 
	thumbnail BLOB, 
	PRIMARY KEY (id), 
	FOREIGN KEY(id) REFERENCES records (id) ON DELETE CASCADE
);
CREATE TABLE seal_keys (
	"key" TEXT NOT NULL, 
	added TEXT NOT NULL, 
	revoked TEXT, 
	PRIMARY KEY ("key")
)
 WITHOUT ROWID

;
CREATE TABLE servers (
	id TEXT NOT NULL, 
	seen TEXT NOT NULL, 
	PRIMARY KEY (id)
)
 WITHOUT ROWID

;
CREATE TABLE shares (
	id TEXT NOT NULL, 
	record TEXT NOT NULL, 
	token_hash TEXT NOT NULL, 
	created TEXT NOT NULL, 
	expires TEXT NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(record) REFERENCES records (id) ON DELETE CASCADE, 
	UNIQUE (token_hash)
)
 WITHOUT ROWID

;
INSERT INTO "shares" VALUES('d26ae2547d7fb34c','ABCDEFGHIJKLMNOPQRSTU1','dd5fda0538a6b74d1f45a3cac62bd2e1fc6f1e7c51829519ca32d1d77dd24cb3','2026-11-01T12:00:00.123456Z','2100-01-01T00:00:00.000000Z');
CREATE TABLE tasks (
	id TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	owner TEXT NOT NULL, 
	subject TEXT NOT NULL, 
	server TEXT NOT NULL, 
	state TEXT NOT NULL, 
	params TEXT NOT NULL, 
	created TEXT NOT NULL, 
	started TEXT, 
	ended TEXT, 
	fault TEXT, 
	progress TEXT, 
	cancel BOOLEAN DEFAULT 0 NOT NULL, 
	PRIMARY KEY (id)
)
 WITHOUT ROWID

;
CREATE INDEX records_by_key ON records (owner, cache_key) WHERE cache_key != '';
CREATE INDEX records_by_time ON records (owner, touched DESC, id);
CREATE INDEX tasks_by_subject ON tasks (kind, subject);
CREATE INDEX tasks_by_state ON tasks (state);
CREATE INDEX rate_counts_by_end ON rate_counts (expires);
CREATE INDEX cases_of_owner ON cases (owner, touched);
CREATE UNIQUE INDEX footage_by_content ON footage (owner, sha256);
CREATE UNIQUE INDEX comparisons_by_content ON comparisons (owner, copy_sha256, original_sha256);
CREATE INDEX shares_of_record ON shares (record);
COMMIT;
