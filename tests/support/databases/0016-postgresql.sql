CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.api_batches (
    id text NOT NULL,
    owner text NOT NULL,
    created timestamp with time zone NOT NULL,
    items text NOT NULL,
    name text DEFAULT ''::text NOT NULL
);
CREATE TABLE public.api_keys (
    id text NOT NULL,
    name text NOT NULL,
    hash text NOT NULL,
    scopes jsonb NOT NULL,
    created timestamp with time zone NOT NULL,
    expires timestamp with time zone,
    revoked timestamp with time zone,
    used timestamp with time zone,
    files_per_hour integer,
    files_per_day integer
);
CREATE TABLE public.api_requests (
    owner text NOT NULL,
    key text NOT NULL,
    fingerprint text NOT NULL,
    subject text,
    created timestamp with time zone NOT NULL
);
CREATE TABLE public.cases (
    id text NOT NULL,
    owner text NOT NULL,
    created timestamp with time zone NOT NULL,
    touched timestamp with time zone NOT NULL,
    entries integer NOT NULL,
    closed boolean NOT NULL,
    analyses jsonb NOT NULL,
    log text NOT NULL
);
CREATE TABLE public.comparisons (
    id text NOT NULL,
    owner text NOT NULL,
    copy_sha256 text NOT NULL,
    original_sha256 text NOT NULL,
    version text NOT NULL,
    created timestamp with time zone NOT NULL,
    comparison bytea NOT NULL
);
CREATE TABLE public.footage (
    id text NOT NULL,
    owner text NOT NULL,
    sha256 text NOT NULL,
    name text NOT NULL,
    source text NOT NULL,
    added timestamp with time zone NOT NULL,
    size bigint NOT NULL,
    duration double precision,
    frames integer NOT NULL,
    prints bytea NOT NULL
);
CREATE TABLE public.lookups (
    owner text NOT NULL,
    sha256 text NOT NULL,
    match_sha256 text NOT NULL,
    name text NOT NULL,
    source text NOT NULL,
    start double precision NOT NULL,
    mirrored boolean NOT NULL,
    matched integer NOT NULL,
    asked integer NOT NULL,
    created timestamp with time zone NOT NULL,
    searched integer DEFAULT 0 NOT NULL,
    by_faces boolean DEFAULT false NOT NULL
);
CREATE TABLE public.preferences (
    owner text NOT NULL,
    chosen text NOT NULL
);
CREATE TABLE public.presets (
    owner text NOT NULL,
    name text NOT NULL,
    ensemble text NOT NULL
);
CREATE TABLE public.rate_counts (
    key text NOT NULL,
    slot bigint NOT NULL,
    count integer NOT NULL,
    expires timestamp with time zone NOT NULL
);
CREATE TABLE public.records (
    id text NOT NULL,
    owner text NOT NULL,
    name text NOT NULL,
    sha256 text NOT NULL,
    source text NOT NULL,
    state text NOT NULL,
    run text NOT NULL,
    cache_key text NOT NULL,
    note text NOT NULL,
    confirmed text NOT NULL,
    search_text text NOT NULL,
    created timestamp with time zone NOT NULL,
    touched timestamp with time zone NOT NULL,
    size bigint NOT NULL,
    tags jsonb NOT NULL,
    settings text NOT NULL,
    fault text,
    last_cache_hit timestamp with time zone,
    analyzed timestamp with time zone,
    verdict text,
    question text,
    kind text,
    version text,
    probability double precision,
    duration double precision,
    subject_count integer,
    models jsonb DEFAULT '[]'::jsonb NOT NULL,
    seal text,
    "interval" text,
    proof text
);
CREATE TABLE public.refusals (
    owner text NOT NULL,
    sha256 text NOT NULL,
    match_sha256 text NOT NULL,
    created timestamp with time zone NOT NULL
);
CREATE TABLE public.results (
    id text NOT NULL,
    analysis bytea NOT NULL,
    thumbnail bytea
);
CREATE TABLE public.seal_keys (
    key text NOT NULL,
    added timestamp with time zone NOT NULL,
    revoked timestamp with time zone
);
CREATE TABLE public.servers (
    id text NOT NULL,
    seen timestamp with time zone NOT NULL
);
CREATE TABLE public.shares (
    id text NOT NULL,
    record text NOT NULL,
    token_hash text NOT NULL,
    created timestamp with time zone NOT NULL,
    expires timestamp with time zone NOT NULL
);
CREATE TABLE public.tasks (
    id text NOT NULL,
    kind text NOT NULL,
    owner text NOT NULL,
    subject text NOT NULL,
    server text NOT NULL,
    state text NOT NULL,
    params text NOT NULL,
    created timestamp with time zone NOT NULL,
    started timestamp with time zone,
    ended timestamp with time zone,
    fault text,
    progress text,
    cancel boolean DEFAULT false NOT NULL
);
INSERT INTO public.alembic_version VALUES ('0016');
INSERT INTO public.preferences VALUES ('local', '{"keep_days":7.5,"find_originals":true,"watched":[],"base_rate":0.5,"language":"","mirror":false}');
INSERT INTO public.presets VALUES ('local', 'mine', '{"name":"mine","models":["sbi"],"weights":{},"min_models":1,"aggregation":"mean"}');
INSERT INTO public.records VALUES ('ABCDEFGHIJKLMNOPQRSTU1', 'local', 'clip-1.mp4', '0000000000000000000000000000000000000000000000000000000000000001', 'upload', 'done', 'server:1', 'key', 'seen', '', 'clip-1.mp4
0000000000000000000000000000000000000000000000000000000000000001
seen
court
paris', '2026-11-01 12:00:00.123456+00', '2026-11-01 12:01:00.123456+00', 1001, '["court", "paris"]', '{"models":null,"sampling":"uniform","frames":32,"fps":5.0,"min_face":40,"faces":"mtcnn","start":0.0,"end":null,"rotate":null,"assume_speech":false,"ensemble":null}', NULL, NULL, '2026-11-20 10:42:00+00', 'FAKE', 'manipulation', 'video', '0.1.0', 0.8498912970128845, 14.2, 2, '["sbi", "xcep", "clip"]', NULL, NULL, NULL);
INSERT INTO public.records VALUES ('ABCDEFGHIJKLMNOPQRSTU2', 'local', 'clip-2.mp4', '0000000000000000000000000000000000000000000000000000000000000002', 'upload', 'done', 'server:1', '', '', '', 'clip-2.mp4
0000000000000000000000000000000000000000000000000000000000000002
', '2026-11-01 12:00:00.123456+00', '2026-11-01 12:02:00.123456+00', 1002, '[]', '{"models":null,"sampling":"uniform","frames":32,"fps":5.0,"min_face":40,"faces":"mtcnn","start":0.0,"end":null,"rotate":null,"assume_speech":false,"ensemble":null}', NULL, NULL, '2026-11-20 10:42:00+00', 'REAL', 'manipulation', 'video', '0.1.0', 0.2, 14.2, 2, '["sbi", "xcep", "clip"]', NULL, NULL, '{"kind": "copy", "name": "press.mp4"}');
INSERT INTO public.records VALUES ('ABCDEFGHIJKLMNOPQRSTU3', 'local', 'clip-3.mp4', '0000000000000000000000000000000000000000000000000000000000000003', 'upload', 'queued', 'server:1', '', '', '', 'clip-3.mp4
0000000000000000000000000000000000000000000000000000000000000003
', '2026-11-01 12:00:00.123456+00', '2026-11-01 12:03:00.123456+00', 1003, '[]', '{"models":null,"sampling":"uniform","frames":32,"fps":5.0,"min_face":40,"faces":"mtcnn","start":0.0,"end":null,"rotate":null,"assume_speech":false,"ensemble":null}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '[]', NULL, NULL, NULL);
INSERT INTO public.shares VALUES ('7ed090fcb79b8a22', 'ABCDEFGHIJKLMNOPQRSTU1', 'x', '2026-11-01 12:00:00.123456+00', '2100-01-01 00:00:00+00');
ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.api_batches
    ADD CONSTRAINT api_batches_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.api_requests
    ADD CONSTRAINT api_requests_pkey PRIMARY KEY (owner, key);
ALTER TABLE ONLY public.cases
    ADD CONSTRAINT cases_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.comparisons
    ADD CONSTRAINT comparisons_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.footage
    ADD CONSTRAINT footage_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.lookups
    ADD CONSTRAINT lookups_pkey PRIMARY KEY (owner, sha256);
ALTER TABLE ONLY public.preferences
    ADD CONSTRAINT preferences_pkey PRIMARY KEY (owner);
ALTER TABLE ONLY public.presets
    ADD CONSTRAINT presets_pkey PRIMARY KEY (owner, name);
ALTER TABLE ONLY public.rate_counts
    ADD CONSTRAINT rate_counts_pkey PRIMARY KEY (key, slot);
ALTER TABLE ONLY public.records
    ADD CONSTRAINT records_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.refusals
    ADD CONSTRAINT refusals_pkey PRIMARY KEY (owner, sha256, match_sha256);
ALTER TABLE ONLY public.results
    ADD CONSTRAINT results_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.seal_keys
    ADD CONSTRAINT seal_keys_pkey PRIMARY KEY (key);
ALTER TABLE ONLY public.servers
    ADD CONSTRAINT servers_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.shares
    ADD CONSTRAINT shares_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.shares
    ADD CONSTRAINT shares_token_hash_key UNIQUE (token_hash);
ALTER TABLE ONLY public.tasks
    ADD CONSTRAINT tasks_pkey PRIMARY KEY (id);
CREATE INDEX cases_of_owner ON public.cases USING btree (owner, touched);
CREATE UNIQUE INDEX comparisons_by_content ON public.comparisons USING btree (owner, copy_sha256, original_sha256);
CREATE UNIQUE INDEX footage_by_content ON public.footage USING btree (owner, sha256);
CREATE INDEX rate_counts_by_end ON public.rate_counts USING btree (expires);
CREATE INDEX records_by_key ON public.records USING btree (owner, cache_key) WHERE (cache_key <> ''::text);
CREATE INDEX records_by_time ON public.records USING btree (owner, touched DESC, id);
CREATE INDEX shares_of_record ON public.shares USING btree (record);
CREATE INDEX tasks_by_state ON public.tasks USING btree (state);
CREATE INDEX tasks_by_subject ON public.tasks USING btree (kind, subject);
ALTER TABLE ONLY public.results
    ADD CONSTRAINT results_id_fkey FOREIGN KEY (id) REFERENCES public.records(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.shares
    ADD CONSTRAINT shares_record_fkey FOREIGN KEY (record) REFERENCES public.records(id) ON DELETE CASCADE;
