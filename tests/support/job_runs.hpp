#pragma once

#include "tests/support/plans.hpp"
#include "tests/support/server_process.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <string>

namespace rowlock::test {

// Jobs that depend on one another, and what has become of their executions.

// Gives its parameters as outputs. With `"fail"` among them it ends with exit code 3.
inline object telling()
{
    return {{"type", "process"},
            {"command", array{"/bin/sh", "-c", R"(in=$(tr -d '\n'); printf '{"output": %s}\n' "$in" >&3; case $in in *'"fail"'*) exit 3;; esac)"}}};
}

// Members of a definition: what it depends on, and no second attempt.
inline object depending(array dependencies, const object& more = {})
{
    return with({{"dependencies", std::move(dependencies)}, {"retry_policy", {{"max_attempts", 1}}}}, more);
}
inline object on(const std::string& upstream, const object& more = {})
{
    return with({{"upstream_job_id", upstream}}, more);
}

// Its executions, newest first.
inline array runs_of(const server_process& at, const std::string& job_id)
{
    const auto reply = at.get("/v1/executions?limit=1000&job_id=" + job_id);
    if (reply.status != 200) throw std::runtime_error("no executions of " + job_id + ": " + reply.body);
    return reply.json().at("items").as_array();
}
inline std::size_t count_of(const server_process& at, const std::string& job_id)
{
    return runs_of(at, job_id).size();
}

// The newest execution of a job, once its run has ended.
inline boost::json::value last_of(const server_process& at, const std::string& job_id)
{
    const auto all = runs_of(at, job_id);
    if (all.empty()) throw std::runtime_error("there is no execution of " + job_id);
    return at.ended(text_at(all.front(), "/execution_id"));
}

// One end of a job that tells.
inline boost::json::value end_of(const server_process& at, const std::string& job_id, const object& parameters = {})
{
    return at.run(job_id, parameters);
}

inline http_reply explain(const server_process& at, const std::string& execution_id)
{
    return at.get("/v1/executions/" + execution_id + "/explain");
}

}
