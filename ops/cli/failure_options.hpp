#pragma once

#include "ops/cli/api_client.hpp"
#include "ops/cli/context.hpp"

#include <boost/json/object.hpp>
#include <cstddef>
#include <string>

namespace CLI {
class App;
}

namespace rowlock::ops {

// What the verbs about failures have in common: one by its id, or many by a filter.
struct failure_options {
    std::string id;
    std::string job;
    std::string error_code;
    std::string since;
    std::string until;
    std::size_t limit = 100;
    bool all = false;

    bool has_filter() const { return !job.empty() || !error_code.empty() || !since.empty() || !until.empty(); }
};

// --job, --error-code, --since, --until.
void add_failure_filter(CLI::App& verb, failure_options& options);
// --limit, of a list.
void add_failure_limit(CLI::App& verb, failure_options& options);
// The filter as a query, and as the body of a request.
void put_filter(target& at, const failure_options& options);
boost::json::object filter_object(const failure_options& options);

// Deletes what `at` names with its filter, in as many requests as it takes, with a bar on stderr. `noun`: "dead letter".
exit_code purge_by_filter(context& c, const target& at, const char* noun);
// Deletes the one that `at` names.
exit_code purge_one(context& c, const target& at, const std::string& id);

}
