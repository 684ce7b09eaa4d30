#pragma once

#include "bench/load/outcome.hpp"
#include "bench/load/server.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <string>

namespace rowlock::bench {

struct load_options {
    std::size_t connections = 32;            // submit, events, latency
    std::size_t batch_connections = 2;       // batch, stream
    std::size_t batch = 500;                 // submissions in each
    std::chrono::seconds length{5};          // submit, events, batch, sql, stream, latency, idle
    std::size_t frame = 1;                   // stream: submissions in each frame
    std::size_t in_flight = 500;             // stream: frames of each connection
    std::size_t drained = 100'000;
    std::size_t rate = 500;                  // latency: submissions a second
    std::size_t sleeps = 1000;
    std::size_t plan_nodes = 10'000;
    std::size_t chain = 1000;                // nodes of it
    std::size_t items = 100'000;            // of fan-out
    std::size_t schedules = 100'000;
    std::size_t resting = 0;                 // idle, firing: schedules beside, which are next due in years
    bool stored = false;                     // submit, batch, sql, stream: due in a day, so that they are stored and nothing else is done
    // Told how far a scenario has come, 0 to 1, some ten times a second, by the thread that runs it.
    std::function<void(double share)> progress = [](double) {};

    // For what lasts `length` from `start`.
    std::function<void()> tell_from(std::chrono::steady_clock::time_point start) const
    {
        return [this, start] { progress(std::min(1.0, std::chrono::duration<double>(std::chrono::steady_clock::now() - start) / length)); };
    }
};

// Each scenario measures one thing on a server that does nothing else, and returns when its executions have ended. Throws runtime_error,
// system_error or what libpqxx throws where it could not.

// Single submissions of noops, each connection sending its next when the last is answered.
outcome run_submit(server& at, const load_options& options);
// The same with batches.
outcome run_batch(server& at, const load_options& options);
// Single events, each of which makes one execution of a noop by way of a trigger with a filter.
outcome run_events(server& at, const load_options& options);
// Single submissions of noops by rowlock.submit over one session of the database, so many a transaction as a batch has; and by rowlock.submit_many. Without a
// database's URL: nothing is measured, which the remark says.
outcome run_sql(server& at, const load_options& options);
outcome run_sql_many(server& at, const load_options& options);
// Frames of submissions over /v1/stream, many in flight on each connection.
outcome run_stream(server& at, const load_options& options);
// Noops that all become due at one moment: from that moment until the last has ended.
outcome run_drain(server& at, const load_options& options);
// Single submissions at a fixed rate, whatever the answers: from the moment each was due to be sent until the answer, and until the execution's
// HTTP call to this program arrived. The server must be allowed to call loopback.
outcome run_latency(server& at, const load_options& options);
// Memory with many executions that sleep. The server must be allowed to run so many at a time.
outcome run_sleep(server& at, const load_options& options);
// Plans of noops, from the request until the last node has ended: a random graph, the same every time; one node after the other; and one node that
// maps over a list.
outcome run_plan(server& at, const load_options& options);
outcome run_chain(server& at, const load_options& options);
outcome run_fan_out(server& at, const load_options& options);
// Schedules that are all due at one moment, each of a job of its own: from that moment until the last has fired.
outcome run_firing(server& at, const load_options& options);
// Nothing is asked of the server.
outcome run_idle(server& at, const load_options& options);

}
