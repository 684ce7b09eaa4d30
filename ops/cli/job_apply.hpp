#pragma once

#include "ops/cli/context.hpp"
#include "ops/cli/definition_file.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace rowlock::ops {

enum class apply_outcome : std::uint8_t { created, updated, unchanged };
std::string_view to_string(apply_outcome outcome);

struct applied_job {
    std::string file;
    std::string job_id;
    apply_outcome outcome = apply_outcome::unchanged;
    int version = 0;                         // after it
    boost::json::value reply;                // of the server, whole
};

// Asks the server whether it would take every definition, and changes nothing; complaints by file, line and field go to stderr. Success, or the
// exit code of the first refusal.
exit_code validate_definitions(context& c, const std::vector<definition>& definitions, const std::string& reason, std::vector<applied_job>& would);

// Stores one definition.
outcome_of<applied_job> apply_definition(context& c, const definition& one, const std::string& reason);

// Shows why the server has refused `one`, its fields by file and line.
exit_code fail_at(context& c, const definition& one, refusal why);

}
