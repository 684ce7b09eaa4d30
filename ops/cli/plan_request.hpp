#pragma once

#include "ops/cli/context.hpp"
#include "ops/cli/definition_file.hpp"

#include <boost/json/object.hpp>
#include <optional>
#include <string>

namespace rowlock::ops {

// What a command line means by a plan: the one in a file ("-" is stdin), or a stored one by its id.
struct plan_source {
    std::string plan_id{};                               // empty: it is in a file
    std::optional<definition> file{};

    // {"plan_id"} or {"plan"}, with the parameters.
    boost::json::object request(boost::json::object parameters) const;
};
// Is this the name of a file? One that is there, or that looks like one.
bool names_a_file(const std::string& argument);
// What is wrong with a file goes to stderr before it returns.
outcome_of<plan_source> find_plan_source(context& c, const std::string& argument);

// Shows why the server has refused the plan, by file and line where it has one.
exit_code fail_at(context& c, const plan_source& source, refusal why);

// Asks for a run of the plan, and gives the answer. `key`: the idempotency key; empty: one of our own.
outcome_of<boost::json::value> start_plan(context& c, const boost::json::object& request, const std::string& key);

}
