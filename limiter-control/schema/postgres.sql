CREATE TABLE public.accounts (
    id text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    enabled boolean NOT NULL,
    created_us bigint NOT NULL,
    version bigint NOT NULL
);
CREATE TABLE public.address_uses (
    id text NOT NULL COLLATE pg_catalog."C",
    address text NOT NULL COLLATE pg_catalog."C",
    plan_id text NOT NULL COLLATE pg_catalog."C",
    account_id text NOT NULL COLLATE pg_catalog."C",
    network_id text NOT NULL COLLATE pg_catalog."C",
    node_id text NOT NULL COLLATE pg_catalog."C",
    from_us bigint NOT NULL,
    until_us bigint
);
CREATE TABLE public.addresses (
    id text NOT NULL COLLATE pg_catalog."C",
    number bigint NOT NULL,
    region text NOT NULL COLLATE pg_catalog."C",
    plan_id text COLLATE pg_catalog."C",
    rests_until_us bigint
);
CREATE TABLE public.bill_lines (
    plan_id text NOT NULL COLLATE pg_catalog."C",
    item text NOT NULL COLLATE pg_catalog."C",
    hour_us bigint NOT NULL,
    revision bigint NOT NULL,
    account_id text NOT NULL COLLATE pg_catalog."C",
    month text NOT NULL COLLATE pg_catalog."C",
    quantity bigint NOT NULL,
    original_micro bigint NOT NULL,
    amount_micro bigint NOT NULL,
    discount_bp bigint NOT NULL,
    book bigint NOT NULL,
    held boolean NOT NULL
);
CREATE TABLE public.bills (
    plan_id text NOT NULL COLLATE pg_catalog."C",
    account_id text NOT NULL COLLATE pg_catalog."C",
    next_us bigint NOT NULL,
    due_us bigint NOT NULL
);
CREATE TABLE public.events (
    revision bigint NOT NULL,
    number bigint NOT NULL,
    at_us bigint NOT NULL,
    account_id text COLLATE pg_catalog."C",
    actor text NOT NULL COLLATE pg_catalog."C",
    request_id text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL COLLATE pg_catalog."C",
    subject text NOT NULL COLLATE pg_catalog."C",
    detail text NOT NULL COLLATE pg_catalog."C"
);
CREATE TABLE public.idempotency (
    owner text NOT NULL COLLATE pg_catalog."C",
    operation text NOT NULL COLLATE pg_catalog."C",
    client_token text NOT NULL COLLATE pg_catalog."C",
    request_hash bytea NOT NULL,
    response text NOT NULL COLLATE pg_catalog."C",
    created_us bigint NOT NULL
);
CREATE TABLE public.installation (
    id bigint NOT NULL,
    incarnation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_us bigint NOT NULL,
    CONSTRAINT installation_id_check CHECK ((id = 1))
);
CREATE TABLE public.instances (
    id text NOT NULL COLLATE pg_catalog."C",
    account_id text NOT NULL COLLATE pg_catalog."C",
    network_id text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    external_id text COLLATE pg_catalog."C",
    addresses text NOT NULL COLLATE pg_catalog."C",
    internet text NOT NULL COLLATE pg_catalog."C",
    rule_id text COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_us bigint NOT NULL,
    version bigint NOT NULL
);
CREATE TABLE public.ledger (
    account_id text NOT NULL COLLATE pg_catalog."C",
    number bigint NOT NULL,
    kind text NOT NULL COLLATE pg_catalog."C",
    source text NOT NULL COLLATE pg_catalog."C",
    amount_micro bigint NOT NULL,
    balance_micro bigint NOT NULL,
    at_us bigint NOT NULL,
    month text NOT NULL COLLATE pg_catalog."C",
    detail text NOT NULL COLLATE pg_catalog."C"
);
CREATE TABLE public.networks (
    id text NOT NULL COLLATE pg_catalog."C",
    account_id text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    external_id text COLLATE pg_catalog."C",
    region text NOT NULL COLLATE pg_catalog."C",
    zone text NOT NULL COLLATE pg_catalog."C",
    basic_bps bigint,
    prefixes text NOT NULL COLLATE pg_catalog."C",
    nodes text COLLATE pg_catalog."C",
    internet text NOT NULL COLLATE pg_catalog."C",
    unknown_sources text NOT NULL COLLATE pg_catalog."C",
    observe boolean NOT NULL,
    default_rule_id text COLLATE pg_catalog."C",
    status text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_us bigint NOT NULL,
    version bigint NOT NULL,
    news_revision bigint DEFAULT 0 NOT NULL,
    egress text DEFAULT 'none'::text NOT NULL COLLATE pg_catalog."C"
);
CREATE TABLE public.nodes (
    id text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    region text NOT NULL COLLATE pg_catalog."C",
    uplinks text NOT NULL COLLATE pg_catalog."C",
    interfaces text NOT NULL COLLATE pg_catalog."C",
    fenced boolean NOT NULL,
    bypass boolean NOT NULL,
    acked_revision bigint NOT NULL,
    acked_us bigint,
    problem text COLLATE pg_catalog."C",
    seen_us bigint,
    agent_version text COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_us bigint NOT NULL,
    version bigint NOT NULL,
    shared_address text COLLATE pg_catalog."C",
    former_addresses text DEFAULT ''::text NOT NULL COLLATE pg_catalog."C",
    egress_addresses text DEFAULT 'assign'::text NOT NULL COLLATE pg_catalog."C",
    drained boolean DEFAULT false NOT NULL
);
CREATE TABLE public.orders (
    id text NOT NULL COLLATE pg_catalog."C",
    account_id text NOT NULL COLLATE pg_catalog."C",
    plan_id text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL COLLATE pg_catalog."C",
    at_us bigint NOT NULL,
    original_micro bigint NOT NULL,
    amount_micro bigint NOT NULL,
    book bigint NOT NULL,
    detail text NOT NULL COLLATE pg_catalog."C"
);
CREATE TABLE public.plans (
    id text NOT NULL COLLATE pg_catalog."C",
    account_id text NOT NULL COLLATE pg_catalog."C",
    external_id text COLLATE pg_catalog."C",
    region text NOT NULL COLLATE pg_catalog."C",
    pay text NOT NULL COLLATE pg_catalog."C",
    charge text NOT NULL COLLATE pg_catalog."C",
    peak_bps bigint NOT NULL,
    applied_peak_bps bigint NOT NULL,
    status text NOT NULL COLLATE pg_catalog."C",
    business text NOT NULL COLLATE pg_catalog."C",
    reason text COLLATE pg_catalog."C",
    network_id text COLLATE pg_catalog."C",
    operation text COLLATE pg_catalog."C",
    operation_started_us bigint,
    generation bigint NOT NULL,
    created_us bigint NOT NULL,
    provisioned_us bigint,
    expires_us bigint,
    anchor_day smallint,
    duration text COLLATE pg_catalog."C",
    auto_renew boolean NOT NULL,
    release_us bigint,
    slices text NOT NULL COLLATE pg_catalog."C",
    ticked_us bigint NOT NULL,
    version bigint NOT NULL,
    due_us bigint,
    waiting boolean NOT NULL,
    address text COLLATE pg_catalog."C",
    egress_node_id text COLLATE pg_catalog."C",
    leaving_node_id text COLLATE pg_catalog."C",
    prepaid_micro bigint DEFAULT 0 NOT NULL
);
CREATE TABLE public.price_books (
    version bigint NOT NULL,
    effective_us bigint NOT NULL,
    currency text NOT NULL COLLATE pg_catalog."C",
    items text NOT NULL COLLATE pg_catalog."C",
    created_us bigint NOT NULL
);
CREATE TABLE public.purses (
    account_id text NOT NULL COLLATE pg_catalog."C",
    balance_micro bigint NOT NULL,
    credit_limit_micro bigint NOT NULL,
    discount_bp bigint NOT NULL,
    standing text NOT NULL COLLATE pg_catalog."C",
    overdue_since_us bigint,
    entries bigint NOT NULL,
    month text COLLATE pg_catalog."C",
    suspends_us bigint,
    states_us bigint
);
CREATE TABLE public.rules (
    id text NOT NULL COLLATE pg_catalog."C",
    account_id text NOT NULL COLLATE pg_catalog."C",
    plan_id text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    up_bps bigint NOT NULL,
    down_bps bigint NOT NULL,
    revision bigint NOT NULL,
    created_us bigint NOT NULL,
    version bigint NOT NULL
);
CREATE TABLE public.seaql_migrations (
    version character varying NOT NULL,
    applied_at bigint NOT NULL
);
CREATE TABLE public.segments (
    plan_id text NOT NULL COLLATE pg_catalog."C",
    number bigint NOT NULL,
    from_us bigint NOT NULL,
    to_us bigint,
    peak_bps bigint NOT NULL
);
CREATE TABLE public.statements (
    account_id text NOT NULL COLLATE pg_catalog."C",
    month text NOT NULL COLLATE pg_catalog."C",
    opening_micro bigint NOT NULL,
    hours_micro bigint NOT NULL,
    round_down_micro bigint NOT NULL,
    total_micro bigint NOT NULL,
    closing_micro bigint NOT NULL,
    issued_us bigint NOT NULL
);
CREATE TABLE public.tokens (
    id text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    account_id text COLLATE pg_catalog."C",
    node_id text COLLATE pg_catalog."C",
    user_id text COLLATE pg_catalog."C",
    role text NOT NULL COLLATE pg_catalog."C",
    hash bytea NOT NULL,
    created_us bigint NOT NULL,
    expires_us bigint,
    revoked_us bigint
);
CREATE TABLE public.usage_instances (
    hour_us bigint NOT NULL,
    instance_id text NOT NULL COLLATE pg_catalog."C",
    node_id text NOT NULL COLLATE pg_catalog."C",
    network_id text NOT NULL COLLATE pg_catalog."C",
    up_bytes bigint NOT NULL,
    down_bytes bigint NOT NULL,
    grain_s bigint NOT NULL,
    buckets bytea NOT NULL
);
CREATE TABLE public.usage_networks (
    hour_us bigint NOT NULL,
    network_id text NOT NULL COLLATE pg_catalog."C",
    plan_id text NOT NULL COLLATE pg_catalog."C",
    node_id text NOT NULL COLLATE pg_catalog."C",
    up_bytes bigint NOT NULL,
    down_bytes bigint NOT NULL,
    late boolean NOT NULL,
    grain_s bigint NOT NULL,
    buckets bytea NOT NULL
);
CREATE TABLE public.usage_sources (
    node_id text NOT NULL COLLATE pg_catalog."C",
    record text NOT NULL COLLATE pg_catalog."C",
    through bigint NOT NULL,
    digest bytea NOT NULL,
    complete_until_us bigint NOT NULL
);
CREATE TABLE public.users (
    id text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    account_id text COLLATE pg_catalog."C",
    role text NOT NULL COLLATE pg_catalog."C",
    password_hash text NOT NULL COLLATE pg_catalog."C",
    enabled boolean NOT NULL,
    created_us bigint NOT NULL,
    version bigint NOT NULL
);
ALTER TABLE ONLY public.accounts
    ADD CONSTRAINT accounts_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.address_uses
    ADD CONSTRAINT address_uses_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.addresses
    ADD CONSTRAINT addresses_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.bill_lines
    ADD CONSTRAINT bill_lines_pkey PRIMARY KEY (plan_id, item, hour_us, revision);
ALTER TABLE ONLY public.bills
    ADD CONSTRAINT bills_pkey PRIMARY KEY (plan_id);
ALTER TABLE ONLY public.events
    ADD CONSTRAINT events_pkey PRIMARY KEY (revision, number);
ALTER TABLE ONLY public.idempotency
    ADD CONSTRAINT idempotency_pkey PRIMARY KEY (owner, operation, client_token);
ALTER TABLE ONLY public.installation
    ADD CONSTRAINT installation_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.instances
    ADD CONSTRAINT instances_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.ledger
    ADD CONSTRAINT ledger_pkey PRIMARY KEY (account_id, number);
ALTER TABLE ONLY public.networks
    ADD CONSTRAINT networks_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.nodes
    ADD CONSTRAINT nodes_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.orders
    ADD CONSTRAINT orders_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.plans
    ADD CONSTRAINT plans_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.price_books
    ADD CONSTRAINT price_books_pkey PRIMARY KEY (version);
ALTER TABLE ONLY public.purses
    ADD CONSTRAINT purses_pkey PRIMARY KEY (account_id);
ALTER TABLE ONLY public.rules
    ADD CONSTRAINT rules_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.seaql_migrations
    ADD CONSTRAINT seaql_migrations_pkey PRIMARY KEY (version);
ALTER TABLE ONLY public.segments
    ADD CONSTRAINT segments_pkey PRIMARY KEY (plan_id, number);
ALTER TABLE ONLY public.statements
    ADD CONSTRAINT statements_pkey PRIMARY KEY (account_id, month);
ALTER TABLE ONLY public.tokens
    ADD CONSTRAINT tokens_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.usage_instances
    ADD CONSTRAINT usage_instances_pkey PRIMARY KEY (hour_us, instance_id, node_id);
ALTER TABLE ONLY public.usage_networks
    ADD CONSTRAINT usage_networks_pkey PRIMARY KEY (hour_us, network_id, plan_id, node_id);
ALTER TABLE ONLY public.usage_sources
    ADD CONSTRAINT usage_sources_pkey PRIMARY KEY (node_id, record);
ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);
CREATE UNIQUE INDEX accounts_name ON public.accounts USING btree (name);
CREATE INDEX address_uses_of_address ON public.address_uses USING btree (address, from_us, id);
CREATE INDEX address_uses_of_plan ON public.address_uses USING btree (plan_id, until_us);
CREATE UNIQUE INDEX addresses_number ON public.addresses USING btree (number);
CREATE INDEX addresses_of_region ON public.addresses USING btree (region, plan_id, number);
CREATE UNIQUE INDEX addresses_plan ON public.addresses USING btree (plan_id);
CREATE INDEX bill_lines_of_month ON public.bill_lines USING btree (account_id, month, hour_us);
CREATE INDEX bills_due ON public.bills USING btree (due_us, next_us, plan_id);
CREATE INDEX bills_of_account ON public.bills USING btree (account_id, due_us);
CREATE INDEX events_at ON public.events USING btree (at_us);
CREATE INDEX events_of_account ON public.events USING btree (account_id, revision, number);
CREATE INDEX events_of_subject ON public.events USING btree (subject, revision, number);
CREATE INDEX idempotency_age ON public.idempotency USING btree (created_us);
CREATE INDEX instances_age ON public.instances USING btree (created_us, id);
CREATE INDEX instances_changed ON public.instances USING btree (network_id, revision);
CREATE UNIQUE INDEX instances_external_id ON public.instances USING btree (account_id, external_id);
CREATE UNIQUE INDEX instances_name ON public.instances USING btree (network_id, name);
CREATE INDEX instances_of_account ON public.instances USING btree (account_id, created_us, id);
CREATE INDEX instances_of_network ON public.instances USING btree (network_id, created_us, id);
CREATE INDEX instances_of_rule ON public.instances USING btree (rule_id);
CREATE INDEX ledger_of_month ON public.ledger USING btree (account_id, month, number);
CREATE UNIQUE INDEX ledger_source ON public.ledger USING btree (kind, source);
CREATE INDEX networks_age ON public.networks USING btree (created_us, id);
CREATE INDEX networks_default_rule ON public.networks USING btree (default_rule_id);
CREATE UNIQUE INDEX networks_external_id ON public.networks USING btree (account_id, external_id);
CREATE UNIQUE INDEX networks_name ON public.networks USING btree (account_id, name);
CREATE INDEX networks_news ON public.networks USING btree (news_revision);
CREATE INDEX networks_of_account ON public.networks USING btree (account_id, created_us, id);
CREATE INDEX networks_of_zone ON public.networks USING btree (region, zone);
CREATE UNIQUE INDEX nodes_name ON public.nodes USING btree (name);
CREATE INDEX nodes_region ON public.nodes USING btree (region);
CREATE INDEX orders_of_account ON public.orders USING btree (account_id, at_us, id);
CREATE INDEX orders_of_plan ON public.orders USING btree (plan_id, at_us, id);
CREATE UNIQUE INDEX plans_address ON public.plans USING btree (address);
CREATE INDEX plans_age ON public.plans USING btree (created_us, id);
CREATE INDEX plans_due ON public.plans USING btree (due_us, id);
CREATE UNIQUE INDEX plans_external_id ON public.plans USING btree (account_id, external_id);
CREATE UNIQUE INDEX plans_network ON public.plans USING btree (network_id);
CREATE INDEX plans_of_account ON public.plans USING btree (account_id, created_us, id);
CREATE INDEX plans_of_egress_node ON public.plans USING btree (egress_node_id);
CREATE INDEX plans_waiting ON public.plans USING btree (region, waiting);
CREATE INDEX purses_stating ON public.purses USING btree (states_us);
CREATE INDEX purses_suspending ON public.purses USING btree (suspends_us);
CREATE INDEX rules_age ON public.rules USING btree (created_us, id);
CREATE INDEX rules_changed ON public.rules USING btree (plan_id, revision);
CREATE UNIQUE INDEX rules_name ON public.rules USING btree (plan_id, name);
CREATE INDEX rules_of_account ON public.rules USING btree (account_id, created_us, id);
CREATE INDEX segments_ended ON public.segments USING btree (plan_id, to_us);
CREATE INDEX tokens_account ON public.tokens USING btree (account_id);
CREATE UNIQUE INDEX tokens_hash ON public.tokens USING btree (hash);
CREATE INDEX tokens_node ON public.tokens USING btree (node_id);
CREATE INDEX tokens_user ON public.tokens USING btree (user_id);
CREATE INDEX usage_instances_grain ON public.usage_instances USING btree (grain_s, hour_us);
CREATE INDEX usage_instances_of_network ON public.usage_instances USING btree (network_id, hour_us);
CREATE INDEX usage_networks_grain ON public.usage_networks USING btree (grain_s, hour_us);
CREATE INDEX usage_networks_of_network ON public.usage_networks USING btree (network_id, hour_us);
CREATE INDEX usage_networks_of_plan ON public.usage_networks USING btree (plan_id, hour_us);
CREATE INDEX users_account ON public.users USING btree (account_id);
CREATE UNIQUE INDEX users_name ON public.users USING btree (name);
ALTER TABLE ONLY public.addresses
    ADD CONSTRAINT addresses_plan_id_fkey FOREIGN KEY (plan_id) REFERENCES public.plans(id) ON DELETE RESTRICT;
ALTER TABLE ONLY public.instances
    ADD CONSTRAINT instances_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.accounts(id) ON DELETE RESTRICT;
ALTER TABLE ONLY public.instances
    ADD CONSTRAINT instances_network_id_fkey FOREIGN KEY (network_id) REFERENCES public.networks(id) ON DELETE RESTRICT;
ALTER TABLE ONLY public.instances
    ADD CONSTRAINT instances_rule_id_fkey FOREIGN KEY (rule_id) REFERENCES public.rules(id) ON DELETE RESTRICT;
ALTER TABLE ONLY public.ledger
    ADD CONSTRAINT ledger_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.accounts(id) ON DELETE RESTRICT;
ALTER TABLE ONLY public.networks
    ADD CONSTRAINT networks_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.accounts(id) ON DELETE RESTRICT;
ALTER TABLE ONLY public.plans
    ADD CONSTRAINT plans_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.accounts(id) ON DELETE RESTRICT;
ALTER TABLE ONLY public.plans
    ADD CONSTRAINT plans_network_id_fkey FOREIGN KEY (network_id) REFERENCES public.networks(id) ON DELETE RESTRICT;
ALTER TABLE ONLY public.purses
    ADD CONSTRAINT purses_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.accounts(id) ON DELETE RESTRICT;
ALTER TABLE ONLY public.rules
    ADD CONSTRAINT rules_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.accounts(id) ON DELETE RESTRICT;
ALTER TABLE ONLY public.rules
    ADD CONSTRAINT rules_plan_id_fkey FOREIGN KEY (plan_id) REFERENCES public.plans(id) ON DELETE RESTRICT;
ALTER TABLE ONLY public.statements
    ADD CONSTRAINT statements_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.accounts(id) ON DELETE RESTRICT;
ALTER TABLE ONLY public.tokens
    ADD CONSTRAINT tokens_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.accounts(id) ON DELETE RESTRICT;
ALTER TABLE ONLY public.tokens
    ADD CONSTRAINT tokens_node_id_fkey FOREIGN KEY (node_id) REFERENCES public.nodes(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.tokens
    ADD CONSTRAINT tokens_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.accounts(id) ON DELETE RESTRICT;
