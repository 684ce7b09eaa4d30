#include "tests/unit/handlers/recorded_attempt.hpp"

#include <boost/asio/post.hpp>
#include <stdexcept>

namespace rowlock::test {

namespace rt = runtime;

namespace {

rt::awaitable<void> keep_log(recorded_attempt& in, rt::log_stream stream, std::string text)
{
    if (in.log_breaks) throw std::runtime_error("the log is broken");
    (stream == rt::log_stream::out ? in.out : stream == rt::log_stream::err ? in.err : in.system) += text;
    co_return;
}

rt::awaitable<result<int>> keep_checkpoint(recorded_attempt& in, rt::checkpoint_data made)
{
    in.checkpoints.push_back(made);
    if (in.on_checkpoint) in.on_checkpoint(made, *in.running);
    co_return static_cast<int>(in.checkpoints.size());
}

rt::awaitable<result<std::optional<rt::checkpoint_data>>> give_checkpoint(recorded_attempt& in)
{
    co_return in.last_checkpoint;
}

rt::awaitable<result<void>> keep_artifact(recorded_attempt& in, rt::artifact made)
{
    if (in.artifact_error) co_return *in.artifact_error;
    in.artifacts.push_back(std::move(made));
    co_return result<void>();
}

rt::awaitable<result<void>> keep_nodes(recorded_attempt& in, boost::json::array added)
{
    in.nodes.push_back(added.size());
    if (in.nodes_error) co_return *in.nodes_error;
    co_return result<void>();
}

}

rt::attempt_records recorded_attempt::records()
{
    return {.log = [this](rt::log_stream s, std::string text) { return keep_log(*this, s, std::move(text)); },
            .checkpoint = [this](rt::checkpoint_data made) { return keep_checkpoint(*this, std::move(made)); },
            .last_checkpoint = [this] { return give_checkpoint(*this); },
            .record_artifact = [this](rt::artifact made) { return keep_artifact(*this, std::move(made)); },
            .add_nodes = [this](boost::json::array added) { return keep_nodes(*this, std::move(added)); },
            .heartbeat =
                [this] {
                    ++heartbeats;
                    if (on_heartbeat) on_heartbeat(*running);
                },
            .progress = [this](double fraction) { progress.push_back(fraction); }};
}

outcome recorded_attempt::perform()
{
    rt::handlers with(core.executor(), process, http, composite, databases);
    return perform(with);
}

outcome recorded_attempt::perform(rt::handlers& with)
{
    auto job = std::make_shared<job_version>();
    job->definition.job_id = "a-job";
    job->definition.handler = handler;
    job->definition.before = before;
    job->definition.after = after;
    assignment work{.id = id, .run_id = run_id, .extent_lo = id, .job = job, .attempt_number = attempt_number, .parameters = parameters, .trace_parent = trace_parent};
    rt::attempt a(std::move(work), until, records());
    running = &a;
    auto result = run_on_core(core, with.perform(a));
    running_stopped = a.stopped();
    running = nullptr;
    return result;
}

void recorded_attempt::stop(rt::stop_reason why)
{
    boost::asio::post(core.executor(), [this, why] {
        if (running) running->request_stop(why);
    });
}

process_handler shell(std::string script)
{
    return {.command = {"sh", "-c", std::move(script)}};
}

}
