CREATE TABLE "accounts" (
    "id" text NOT NULL PRIMARY KEY,
    "name" text NOT NULL,
    "enabled" boolean NOT NULL,
    "created_us" integer NOT NULL,
    "version" integer NOT NULL );
CREATE UNIQUE INDEX "accounts_name" ON "accounts" ("name");
CREATE TABLE "address_uses" (
    "id" text NOT NULL PRIMARY KEY,
    "address" text NOT NULL,
    "plan_id" text NOT NULL,
    "account_id" text NOT NULL,
    "network_id" text NOT NULL,
    "node_id" text NOT NULL,
    "from_us" integer NOT NULL,
    "until_us" integer );
CREATE INDEX "address_uses_of_address" ON "address_uses" ("address", "from_us", "id");
CREATE INDEX "address_uses_of_plan" ON "address_uses" ("plan_id", "until_us");
CREATE TABLE "addresses" (
    "id" text NOT NULL PRIMARY KEY,
    "number" integer NOT NULL,
    "region" text NOT NULL,
    "plan_id" text,
    "rests_until_us" integer,
    FOREIGN KEY ("plan_id") REFERENCES "plans" ("id") ON DELETE RESTRICT );
CREATE UNIQUE INDEX "addresses_number" ON "addresses" ("number");
CREATE INDEX "addresses_of_region" ON "addresses" ("region", "plan_id", "number");
CREATE UNIQUE INDEX "addresses_plan" ON "addresses" ("plan_id");
CREATE TABLE "bill_lines" (
    "plan_id" text NOT NULL,
    "item" text NOT NULL,
    "hour_us" integer NOT NULL,
    "revision" integer NOT NULL,
    "account_id" text NOT NULL,
    "month" text NOT NULL,
    "quantity" integer NOT NULL,
    "original_micro" integer NOT NULL,
    "amount_micro" integer NOT NULL,
    "discount_bp" integer NOT NULL,
    "book" integer NOT NULL,
    "held" boolean NOT NULL,
    PRIMARY KEY ("plan_id", "item", "hour_us", "revision") );
CREATE INDEX "bill_lines_of_month" ON "bill_lines" ("account_id", "month", "hour_us");
CREATE TABLE "bills" (
    "plan_id" text NOT NULL PRIMARY KEY,
    "account_id" text NOT NULL,
    "next_us" integer NOT NULL,
    "due_us" integer NOT NULL );
CREATE INDEX "bills_due" ON "bills" ("due_us", "next_us", "plan_id");
CREATE INDEX "bills_of_account" ON "bills" ("account_id", "due_us");
CREATE TABLE "events" (
    "revision" integer NOT NULL,
    "number" integer NOT NULL,
    "at_us" integer NOT NULL,
    "account_id" text,
    "actor" text NOT NULL,
    "request_id" text NOT NULL,
    "kind" text NOT NULL,
    "subject" text NOT NULL,
    "detail" text NOT NULL,
    PRIMARY KEY ("revision", "number") );
CREATE INDEX "events_at" ON "events" ("at_us");
CREATE INDEX "events_of_account" ON "events" ("account_id", "revision", "number");
CREATE INDEX "events_of_subject" ON "events" ("subject", "revision", "number");
CREATE TABLE "idempotency" (
    "owner" text NOT NULL,
    "operation" text NOT NULL,
    "client_token" text NOT NULL,
    "request_hash" blob NOT NULL,
    "response" text NOT NULL,
    "created_us" integer NOT NULL,
    PRIMARY KEY ("owner", "operation", "client_token") );
CREATE INDEX "idempotency_age" ON "idempotency" ("created_us");
CREATE TABLE "installation" (
    "id" integer NOT NULL PRIMARY KEY CHECK ("id" = 1),
    "incarnation" text NOT NULL,
    "revision" integer NOT NULL,
    "created_us" integer NOT NULL );
CREATE TABLE "instances" (
    "id" text NOT NULL PRIMARY KEY,
    "account_id" text NOT NULL,
    "network_id" text NOT NULL,
    "name" text NOT NULL,
    "external_id" text,
    "addresses" text NOT NULL,
    "internet" text NOT NULL,
    "rule_id" text,
    "revision" integer NOT NULL,
    "created_us" integer NOT NULL,
    "version" integer NOT NULL,
    FOREIGN KEY ("account_id") REFERENCES "accounts" ("id") ON DELETE RESTRICT,
    FOREIGN KEY ("network_id") REFERENCES "networks" ("id") ON DELETE RESTRICT,
    FOREIGN KEY ("rule_id") REFERENCES "rules" ("id") ON DELETE RESTRICT );
CREATE INDEX "instances_age" ON "instances" ("created_us", "id");
CREATE INDEX "instances_changed" ON "instances" ("network_id", "revision");
CREATE UNIQUE INDEX "instances_external_id" ON "instances" ("account_id", "external_id");
CREATE UNIQUE INDEX "instances_name" ON "instances" ("network_id", "name");
CREATE INDEX "instances_of_account" ON "instances" ("account_id", "created_us", "id");
CREATE INDEX "instances_of_network" ON "instances" ("network_id", "created_us", "id");
CREATE INDEX "instances_of_rule" ON "instances" ("rule_id");
CREATE TABLE "ledger" (
    "account_id" text NOT NULL,
    "number" integer NOT NULL,
    "kind" text NOT NULL,
    "source" text NOT NULL,
    "amount_micro" integer NOT NULL,
    "balance_micro" integer NOT NULL,
    "at_us" integer NOT NULL,
    "month" text NOT NULL,
    "detail" text NOT NULL,
    PRIMARY KEY ("account_id", "number"),
    FOREIGN KEY ("account_id") REFERENCES "accounts" ("id") ON DELETE RESTRICT );
CREATE INDEX "ledger_of_month" ON "ledger" ("account_id", "month", "number");
CREATE UNIQUE INDEX "ledger_source" ON "ledger" ("kind", "source");
CREATE TABLE "networks" (
    "id" text NOT NULL PRIMARY KEY,
    "account_id" text NOT NULL,
    "name" text NOT NULL,
    "external_id" text,
    "region" text NOT NULL,
    "zone" text NOT NULL,
    "basic_bps" integer,
    "prefixes" text NOT NULL,
    "nodes" text,
    "internet" text NOT NULL,
    "unknown_sources" text NOT NULL,
    "observe" boolean NOT NULL,
    "default_rule_id" text,
    "status" text NOT NULL,
    "revision" integer NOT NULL,
    "created_us" integer NOT NULL,
    "version" integer NOT NULL,
    "news_revision" integer NOT NULL DEFAULT 0,
    "egress" text NOT NULL DEFAULT 'none',
    FOREIGN KEY ("account_id") REFERENCES "accounts" ("id") ON DELETE RESTRICT );
CREATE INDEX "networks_age" ON "networks" ("created_us", "id");
CREATE INDEX "networks_default_rule" ON "networks" ("default_rule_id");
CREATE UNIQUE INDEX "networks_external_id" ON "networks" ("account_id", "external_id");
CREATE UNIQUE INDEX "networks_name" ON "networks" ("account_id", "name");
CREATE INDEX "networks_news" ON "networks" ("news_revision");
CREATE INDEX "networks_of_account" ON "networks" ("account_id", "created_us", "id");
CREATE INDEX "networks_of_zone" ON "networks" ("region", "zone");
CREATE TABLE "nodes" (
    "id" text NOT NULL PRIMARY KEY,
    "name" text NOT NULL,
    "region" text NOT NULL,
    "uplinks" text NOT NULL,
    "interfaces" text NOT NULL,
    "fenced" boolean NOT NULL,
    "bypass" boolean NOT NULL,
    "acked_revision" integer NOT NULL,
    "acked_us" integer,
    "problem" text,
    "seen_us" integer,
    "agent_version" text,
    "revision" integer NOT NULL,
    "created_us" integer NOT NULL,
    "version" integer NOT NULL ,
    "shared_address" text,
    "former_addresses" text NOT NULL DEFAULT '',
    "egress_addresses" text NOT NULL DEFAULT 'assign',
    "drained" boolean NOT NULL DEFAULT FALSE);
CREATE UNIQUE INDEX "nodes_name" ON "nodes" ("name");
CREATE INDEX "nodes_region" ON "nodes" ("region");
CREATE TABLE "orders" (
    "id" text NOT NULL PRIMARY KEY,
    "account_id" text NOT NULL,
    "plan_id" text NOT NULL,
    "kind" text NOT NULL,
    "at_us" integer NOT NULL,
    "original_micro" integer NOT NULL,
    "amount_micro" integer NOT NULL,
    "book" integer NOT NULL,
    "detail" text NOT NULL );
CREATE INDEX "orders_of_account" ON "orders" ("account_id", "at_us", "id");
CREATE INDEX "orders_of_plan" ON "orders" ("plan_id", "at_us", "id");
CREATE TABLE "plans" (
    "id" text NOT NULL PRIMARY KEY,
    "account_id" text NOT NULL,
    "external_id" text,
    "region" text NOT NULL,
    "pay" text NOT NULL,
    "charge" text NOT NULL,
    "peak_bps" integer NOT NULL,
    "applied_peak_bps" integer NOT NULL,
    "status" text NOT NULL,
    "business" text NOT NULL,
    "reason" text,
    "network_id" text,
    "operation" text,
    "operation_started_us" integer,
    "generation" integer NOT NULL,
    "created_us" integer NOT NULL,
    "provisioned_us" integer,
    "expires_us" integer,
    "anchor_day" smallint,
    "duration" text,
    "auto_renew" boolean NOT NULL,
    "release_us" integer,
    "slices" text NOT NULL,
    "ticked_us" integer NOT NULL,
    "version" integer NOT NULL,
    "due_us" integer,
    "waiting" boolean NOT NULL,
    "address" text,
    "egress_node_id" text,
    "leaving_node_id" text,
    "prepaid_micro" integer NOT NULL DEFAULT 0,
    FOREIGN KEY ("account_id") REFERENCES "accounts" ("id") ON DELETE RESTRICT,
    FOREIGN KEY ("network_id") REFERENCES "networks" ("id") ON DELETE RESTRICT );
CREATE UNIQUE INDEX "plans_address" ON "plans" ("address");
CREATE INDEX "plans_age" ON "plans" ("created_us", "id");
CREATE INDEX "plans_due" ON "plans" ("due_us", "id");
CREATE UNIQUE INDEX "plans_external_id" ON "plans" ("account_id", "external_id");
CREATE UNIQUE INDEX "plans_network" ON "plans" ("network_id");
CREATE INDEX "plans_of_account" ON "plans" ("account_id", "created_us", "id");
CREATE INDEX "plans_of_egress_node" ON "plans" ("egress_node_id");
CREATE INDEX "plans_waiting" ON "plans" ("region", "waiting");
CREATE TABLE "price_books" (
    "version" integer NOT NULL PRIMARY KEY,
    "effective_us" integer NOT NULL,
    "currency" text NOT NULL,
    "items" text NOT NULL,
    "created_us" integer NOT NULL );
CREATE TABLE "purses" (
    "account_id" text NOT NULL PRIMARY KEY,
    "balance_micro" integer NOT NULL,
    "credit_limit_micro" integer NOT NULL,
    "discount_bp" integer NOT NULL,
    "standing" text NOT NULL,
    "overdue_since_us" integer,
    "entries" integer NOT NULL,
    "month" text,
    "suspends_us" integer,
    "states_us" integer,
    FOREIGN KEY ("account_id") REFERENCES "accounts" ("id") ON DELETE RESTRICT );
CREATE INDEX "purses_stating" ON "purses" ("states_us");
CREATE INDEX "purses_suspending" ON "purses" ("suspends_us");
CREATE TABLE "rules" (
    "id" text NOT NULL PRIMARY KEY,
    "account_id" text NOT NULL,
    "plan_id" text NOT NULL,
    "name" text NOT NULL,
    "up_bps" integer NOT NULL,
    "down_bps" integer NOT NULL,
    "revision" integer NOT NULL,
    "created_us" integer NOT NULL,
    "version" integer NOT NULL,
    FOREIGN KEY ("account_id") REFERENCES "accounts" ("id") ON DELETE RESTRICT,
    FOREIGN KEY ("plan_id") REFERENCES "plans" ("id") ON DELETE RESTRICT );
CREATE INDEX "rules_age" ON "rules" ("created_us", "id");
CREATE INDEX "rules_changed" ON "rules" ("plan_id", "revision");
CREATE UNIQUE INDEX "rules_name" ON "rules" ("plan_id", "name");
CREATE INDEX "rules_of_account" ON "rules" ("account_id", "created_us", "id");
CREATE TABLE "seaql_migrations" (
    "version" varchar NOT NULL PRIMARY KEY,
    "applied_at" integer NOT NULL );
CREATE TABLE "segments" (
    "plan_id" text NOT NULL,
    "number" integer NOT NULL,
    "from_us" integer NOT NULL,
    "to_us" integer,
    "peak_bps" integer NOT NULL,
    PRIMARY KEY ("plan_id", "number") );
CREATE INDEX "segments_ended" ON "segments" ("plan_id", "to_us");
CREATE TABLE "statements" (
    "account_id" text NOT NULL,
    "month" text NOT NULL,
    "opening_micro" integer NOT NULL,
    "hours_micro" integer NOT NULL,
    "round_down_micro" integer NOT NULL,
    "total_micro" integer NOT NULL,
    "closing_micro" integer NOT NULL,
    "issued_us" integer NOT NULL,
    PRIMARY KEY ("account_id", "month"),
    FOREIGN KEY ("account_id") REFERENCES "accounts" ("id") ON DELETE RESTRICT );
CREATE TABLE "tokens" (
    "id" text NOT NULL PRIMARY KEY,
    "name" text NOT NULL,
    "account_id" text,
    "node_id" text,
    "user_id" text,
    "role" text NOT NULL,
    "hash" blob NOT NULL,
    "created_us" integer NOT NULL,
    "expires_us" integer,
    "revoked_us" integer,
    FOREIGN KEY ("account_id") REFERENCES "accounts" ("id") ON DELETE RESTRICT,
    FOREIGN KEY ("node_id") REFERENCES "nodes" ("id") ON DELETE CASCADE,
    FOREIGN KEY ("user_id") REFERENCES "users" ("id") ON DELETE CASCADE );
CREATE INDEX "tokens_account" ON "tokens" ("account_id");
CREATE UNIQUE INDEX "tokens_hash" ON "tokens" ("hash");
CREATE INDEX "tokens_node" ON "tokens" ("node_id");
CREATE INDEX "tokens_user" ON "tokens" ("user_id");
CREATE TABLE "usage_instances" (
    "hour_us" integer NOT NULL,
    "instance_id" text NOT NULL,
    "node_id" text NOT NULL,
    "network_id" text NOT NULL,
    "up_bytes" integer NOT NULL,
    "down_bytes" integer NOT NULL,
    "grain_s" integer NOT NULL,
    "buckets" blob NOT NULL,
    PRIMARY KEY ("hour_us", "instance_id", "node_id") );
CREATE INDEX "usage_instances_grain" ON "usage_instances" ("grain_s", "hour_us");
CREATE INDEX "usage_instances_of_network" ON "usage_instances" ("network_id", "hour_us");
CREATE TABLE "usage_networks" (
    "hour_us" integer NOT NULL,
    "network_id" text NOT NULL,
    "plan_id" text NOT NULL,
    "node_id" text NOT NULL,
    "up_bytes" integer NOT NULL,
    "down_bytes" integer NOT NULL,
    "late" boolean NOT NULL,
    "grain_s" integer NOT NULL,
    "buckets" blob NOT NULL,
    PRIMARY KEY ("hour_us", "network_id", "plan_id", "node_id") );
CREATE INDEX "usage_networks_grain" ON "usage_networks" ("grain_s", "hour_us");
CREATE INDEX "usage_networks_of_network" ON "usage_networks" ("network_id", "hour_us");
CREATE INDEX "usage_networks_of_plan" ON "usage_networks" ("plan_id", "hour_us");
CREATE TABLE "usage_sources" (
    "node_id" text NOT NULL,
    "record" text NOT NULL,
    "through" integer NOT NULL,
    "digest" blob NOT NULL,
    "complete_until_us" integer NOT NULL,
    PRIMARY KEY ("node_id", "record") );
CREATE TABLE "users" (
    "id" text NOT NULL PRIMARY KEY,
    "name" text NOT NULL,
    "account_id" text,
    "role" text NOT NULL,
    "password_hash" text NOT NULL,
    "enabled" boolean NOT NULL,
    "created_us" integer NOT NULL,
    "version" integer NOT NULL,
    FOREIGN KEY ("account_id") REFERENCES "accounts" ("id") ON DELETE RESTRICT );
CREATE INDEX "users_account" ON "users" ("account_id");
CREATE UNIQUE INDEX "users_name" ON "users" ("name");
