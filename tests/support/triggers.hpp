#pragma once

#include "tests/support/job_runs.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <string>

namespace rowlock::test {

// A noop job with these triggers, of the type API_CALL where they do not say another.
inline void define_triggered(const server_process& at, const std::string& job_id, array triggers, const object& more = {})
{
    for (auto& each : triggers) {
        if (!each.as_object().contains("trigger_type")) each.as_object()["trigger_type"] = "API_CALL";
    }
    at.define(job_id, {{"type", "noop"}}, with({{"triggers", std::move(triggers)}}, more));
}

// Sends an event, which must be taken. The answer.
inline boost::json::value emit(const server_process& at, const std::string& source, const boost::json::value& payload, const std::string& key = "")
{
    object event{{"source", source}, {"payload", payload}};
    if (!key.empty()) event["key"] = key;
    const auto reply = at.post("/v1/events", event);
    if (reply.status != 202) throw std::runtime_error("the event was not taken: " + reply.body);
    return reply.json();
}

// The parameters of the newest execution of a job, once there are `n` of them.
inline boost::json::value parameters_of(const server_process& at, const std::string& job_id, std::size_t n = 1)
{
    eventually("executions of " + job_id, [&] { return count_of(at, job_id) >= n; });
    return runs_of(at, job_id).front().at("parameters");
}

}
