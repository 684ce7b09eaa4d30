#pragma once

#include "ops/cli/context.hpp"
#include "ops/cli/definition_file.hpp"

#include <boost/json/value.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
}

namespace rowlock::ops {

// Storing the definitions of files, as `job apply` and `plan apply` do.

// What the server calls them.
struct definition_kind {
    std::string_view collection;             // "/v1/jobs"
    std::string_view list;                   // "jobs"
    std::string_view id;                     // "job_id"
};
inline constexpr definition_kind job_definitions{"/v1/jobs", "jobs", "job_id"};
inline constexpr definition_kind plan_definitions{"/v1/plans", "plans", "plan_id"};

enum class apply_outcome : std::uint8_t { created, updated, unchanged };
std::string_view to_string(apply_outcome outcome);

struct applied {
    std::string file;
    std::string id;
    apply_outcome outcome = apply_outcome::unchanged;
    int version = 0;                         // after it
    boost::json::value diff{};               // [{"field", "before", "after"}]
    boost::json::value warnings{};           // texts; null: such have none
};

// Stores the definitions as one transaction: all or none. With dry_run nothing changes, and the answer says what would. In their order.
outcome_of<std::vector<applied>> apply_definitions(context& c, const definition_kind& kind, const std::vector<definition>& all, const std::string& reason, bool dry_run);
// The same for one.
outcome_of<applied> apply_definition(context& c, const definition_kind& kind, const definition& one, const std::string& reason);

// Shows why the server has refused them, each field by file and line.
exit_code fail_at(context& c, const definition_kind& kind, const std::vector<definition>& all, refusal why);
exit_code fail_at(context& c, const definition_kind& kind, const definition& one, refusal why);

// Shows complaints about files that were read, with those that the server has about the definitions in them, if it can be asked. The exit code.
exit_code fail_with_all(context& c, const definition_kind& kind, const std::vector<definition>& all, const std::vector<std::string>& complaints);

// {"items": [{"file", "job_id", "outcome", "version", "diff", "warnings"}], "next_cursor": null}
boost::json::value document_of(const definition_kind& kind, const std::vector<applied>& all);
void show_warnings(context& c, const std::vector<applied>& all);
// One line for each difference: "  ~ timeout_seconds: 30 -> 60", with + for what is new and - for what is gone.
void show_diff(context& c, const boost::json::value& diff);

// What the two verbs take.
struct apply_options {
    std::vector<std::string> files;
    bool dry_run = false;
    std::string reason;
};
std::shared_ptr<apply_options> add_apply_options(CLI::App& verb);
// What they do once the files are read and nothing is wrong with them.
exit_code apply_and_show(context& c, const definition_kind& kind, const std::vector<definition>& all, const apply_options& options);

}
