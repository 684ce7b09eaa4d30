#pragma once

#include "storage/model/ids.hpp"
#include "storage/model/policy.hpp"
#include "storage/model/time.hpp"
#include "storage/page.hpp"
#include "storage/session.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace rowlock::storage {

// Policies as they are read and changed (0023). Those that were made with a token for all tenants are owned by no_tenant.

inline constexpr int most_policies = 1000;           // of one owner

// Whose policies somebody may see: with a token for all tenants every one, else those of the tenant and those of all that hold for it.
struct policy_reader {
    tenant_key tenant;
    bool all_tenants = false;
};
page list_policies_json(session& s, const policy_reader& who, int limit, const std::string& cursor);
// Where the reader's own and another of this name can be seen, the reader's own.
std::optional<std::string> find_policy_json(session& s, const policy_reader& who, const std::string& policy_id);
std::optional<std::string> find_owned_policy_json(session& s, tenant_key owner, const std::string& policy_id);

// full: the owner has most_policies; taken: a policy that holds for the tenant, and that it may not change, has the name.
enum class put_outcome : std::uint8_t { created, changed, unchanged, full, taken };
// `subject`: the tenant whose jobs it holds for; no_tenant: all; nullopt: the one that its scope names, which is made where it is new. With a token for all tenants one that
// the tenant it acts for owns, or nobody, goes over to the new owner.
put_outcome put_policy(session& s, tenant_key owner, std::optional<tenant_key> subject, const std::string& policy_id, const policy& p, const std::string& actor, const policy_reader& who);
// false: there is none.
bool delete_policy(session& s, tenant_key owner, const std::string& policy_id, const std::string& actor, const std::string& reason);

// A policy that is in force, with its document as JSON text.
struct policy_row {
    tenant_key owner;
    tenant_key subject;
    std::string policy_id;
    int version = 0;
    std::string document;
};
std::vector<policy_row> load_policies(session& s);

// A tenant that may start nothing more today.
struct closed_day {
    tenant_key tenant;
    std::string policy_id;
    std::string used;                                // "10 of 10 attempts"
};
// A plan run that has used up a budget.
struct plan_overdraft {
    std::string plan_run_id;
    std::string policy_id;
    std::string used;
    bool stops = false;                              // what has not started of it ends
};
struct policy_look {
    std::int64_t changes = 0;                        // rises with every change of a policy
    std::vector<plan_overdraft> plans{};             // each is told once, to one instance
    std::vector<closed_day> closed{};
    std::chrono::milliseconds day_left{0};           // where there are some
};
// Looks whether anything has changed; closes and opens days.
policy_look policy_tick(session& s);

enum class policy_stage : std::uint8_t { definition, submission, start, run };      // plan runs and days are recorded by the database

struct policy_violation {
    tenant_key owner;
    std::string policy_id;
    int policy_version = 0;
    tenant_key tenant;
    std::string job_id;
    int job_version = 0;                             // 0: none yet
    std::optional<execution_id> id{};
    std::optional<execution_id> run_id{};
    policy_stage stage = policy_stage::start;
    bool blocked = false;
    std::string detail;
    std::int64_t occurrences = 1;
};
std::string_view to_string(policy_stage stage);
void note_violations(session& s, const std::vector<policy_violation>& all);
int sweep_policy_violations(session& s, std::chrono::milliseconds kept, int rows);

struct violation_filter {
    std::string policy_id{};                         // empty: of all
    std::string job_id{};
    std::optional<timestamp> since{};
};
// Newest first. nullopt: the cursor is none.
std::optional<page> list_policy_violations_json(session& s, const policy_reader& who, const violation_filter& filter, int limit, const std::string& cursor);

// What the ended attempts of a run have used.
struct run_usage {
    int attempts = 0;
    double seconds = 0;
    double cost_units = 0;
};
run_usage usage_of_run(session& s, execution_id run);

}
