#pragma once

#include "tests/support/server_process.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <initializer_list>
#include <stdexcept>
#include <string>

namespace rowlock::test {

// Plans of nodes with handlers of their own, and what has become of them.

using boost::json::array;
using boost::json::object;

inline object with(object one, const object& more)
{
    for (const auto& member : more) one[member.key()] = member.value();
    return one;
}

inline object node(const std::string& id, array needs = {}, const object& more = {})
{
    object made{{"node_id", id}, {"handler", {{"type", "noop"}}}};
    if (!needs.empty()) made["needs"] = std::move(needs);
    return with(std::move(made), more);
}

// One that fails at once, and is not tried again.
inline object failing(const std::string& id, array needs = {}, const object& more = {})
{
    return node(id, std::move(needs), with({{"handler", {{"type", "fail"}, {"error_code", "BROKEN"}}}, {"retry_policy", {{"max_attempts", 1}}}}, more));
}

// A process. It has its parameters on stdin, and speaks on file descriptor 3.
inline object script(const std::string& id, const std::string& text, array needs = {}, const object& more = {})
{
    return node(id, std::move(needs), with({{"handler", {{"type", "process"}, {"command", array{"/bin/sh", "-c", text}}}}, {"retry_policy", {{"max_attempts", 1}}}}, more));
}
inline object giving(const std::string& id, const object& outputs, array needs = {}, const object& more = {})
{
    return script(id, "echo '" + boost::json::serialize(object{{"output", outputs}}) + "' >&3", std::move(needs), more);
}
// Gives its parameters as outputs.
inline object echoing(const std::string& id, const object& parameters, array needs = {}, const object& more = {})
{
    return script(id, "printf '{\"output\": %s}\\n' \"$(tr -d '\\n')\" >&3", std::move(needs), with({{"parameters", parameters}}, more));
}
inline object endless(const std::string& id, array needs = {})
{
    return node(id, std::move(needs), {{"handler", {{"type", "sleep"}, {"seconds", 3600}}}});
}

inline object plan_of(array nodes, const object& more = {})
{
    return with({{"nodes", std::move(nodes)}}, more);
}

// Starts a run; `more`: further members of the request. Throws unless it is accepted.
inline std::string start_plan(const server_process& at, const object& plan, const object& more = {})
{
    const auto reply = at.post("/v1/plan-runs", with({{"plan", plan}}, more));
    if (reply.status != 201) throw std::runtime_error("the plan was not taken: " + reply.body);
    return text_at(reply.json(), "/plan_run_id");
}

inline boost::json::value plan_run(const server_process& at, const std::string& id)
{
    const auto reply = at.get("/v1/plan-runs/" + id);
    if (reply.status != 200) throw std::runtime_error("no plan run: " + reply.body);
    return reply.json();
}

// The run, once it has ended.
inline boost::json::value ended_plan(const server_process& at, const std::string& id)
{
    boost::json::value run;
    eventually("the plan run " + id + " has ended", [&] {
        const auto reply = at.get("/v1/plan-runs/" + id + "/wait?timeout_seconds=20");
        if (reply.status != 200) throw std::runtime_error("no plan run: " + reply.body);
        run = reply.json();
        return text_at(run, "/status") != "RUNNING";
    });
    return run;
}

inline boost::json::value run_plan(const server_process& at, const object& plan, const object& more = {})
{
    return ended_plan(at, start_plan(at, plan, more));
}

inline const boost::json::value& node_of(const boost::json::value& run, std::string_view id)
{
    for (const auto& one : run.at("nodes").as_array()) {
        if (one.at("node_id") == boost::json::string_view(id.data(), id.size())) return one;
    }
    throw std::runtime_error("the run has no node " + std::string(id) + ": " + boost::json::serialize(run));
}

inline std::string status_in(const boost::json::value& run, std::string_view id)
{
    return text_at(node_of(run, id), "/status");
}

inline void await_node(const server_process& at, const std::string& run, const std::string& id, const std::string& status)
{
    eventually("the node " + id + " is " + status, [&] { return status_in(plan_run(at, run), id) == status; });
}

// The execution of a node that has one.
inline boost::json::value execution_of(const server_process& at, const boost::json::value& run, std::string_view id)
{
    return at.execution(text_at(node_of(run, id), "/execution_id"));
}
inline boost::json::value outputs_of(const server_process& at, const boost::json::value& run, std::string_view id)
{
    return execution_of(at, run, id).at("result").at("outputs");
}

}
