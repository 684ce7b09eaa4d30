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

enum class apply_outcome : std::uint8_t { created, updated, unchanged };
std::string_view to_string(apply_outcome outcome);

struct applied_job {
    std::string file;
    std::string job_id;
    apply_outcome outcome = apply_outcome::unchanged;
    int version = 0;                         // after it
    boost::json::value diff{};               // [{"field", "before", "after"}]
    boost::json::value warnings{};           // texts
};

// Stores the definitions as one transaction: all or none. With dry_run nothing changes, and the answer says what would. In their order.
outcome_of<std::vector<applied_job>> apply_definitions(context& c, const std::vector<definition>& definitions, const std::string& reason, bool dry_run);
// The same for one.
outcome_of<applied_job> apply_definition(context& c, const definition& one, const std::string& reason);

// Shows why the server has refused them, each field by file and line.
exit_code fail_at(context& c, const std::vector<definition>& definitions, refusal why);
exit_code fail_at(context& c, const definition& one, refusal why);

// Shows the complaints of files that were read, with those that the server has about the definitions in them, if it can be asked. The exit code.
exit_code fail_with_all(context& c, const definition_set& set);

// {"items": [{"file", "job_id", "outcome", "version", "diff", "warnings"}], "next_cursor": null}
boost::json::value document_of(const std::vector<applied_job>& jobs);
void show_warnings(context& c, const std::vector<applied_job>& jobs);
// One line for each difference: "  ~ timeout_seconds: 30 -> 60", with + for what is new and - for what is gone.
void show_diff(context& c, const boost::json::value& diff);

// How runner files are to be read: --without-schedules and --dativo-command. The result outlives the parsing.
std::shared_ptr<runner_options> add_runner_options(CLI::App& verb);

}
