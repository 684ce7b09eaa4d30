#include "ops/serve.hpp"

#include "api/server.hpp"
#include "ops/config/settings.hpp"
#include "ops/file_limit.hpp"
#include "runtime/instance.hpp"

#include <atomic>
#include <cmath>
#include <csignal>
#include <fmt/format.h>
#include <iostream>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/signalfd.h>
#include <thread>
#include <unistd.h>

namespace rowlock::ops {

namespace {

sigset_t stop_signals()
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    return set;
}

// SIGINT and SIGTERM as a descriptor that becomes readable.
class signal_source {
public:
    signal_source()
    {
        const auto set = stop_signals();
        fd_ = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        if (fd_ < 0) throw std::system_error(errno, std::generic_category(), "signalfd");
    }
    ~signal_source() { close(fd_); }
    signal_source(const signal_source&) = delete;
    signal_source& operator=(const signal_source&) = delete;

    int fd() const { return fd_; }
    bool take() const
    {
        signalfd_siginfo info{};
        return read(fd_, &info, sizeof info) == sizeof info;
    }

private:
    int fd_ = -1;
};

resource_amounts capacity_of(const settings& s)
{
    const std::int64_t given[] = {std::llround(s.instance_cpu_cores * 1000), s.instance_memory_mb, s.instance_disk_mb, s.instance_network_bandwidth_mbps};
    resource_amounts capacity;
    for (std::size_t i = 0; i < capacity.amounts.size(); ++i) {
        if (given[i] > 0) capacity.amounts[i] = static_cast<std::int32_t>(given[i]);
    }
    return capacity;
}

runtime::pressure_options pressure_of(const settings& s)
{
    using runtime::resource;
    runtime::pressure_options o;
    o.rules.of[resource::memory] = {s.pressure_memory_high, s.pressure_memory_low};
    o.rules.of[resource::cpu] = {s.pressure_cpu_high, s.pressure_cpu_low};
    o.rules.of[resource::disk] = {s.pressure_disk_high, s.pressure_disk_low, s.pressure_disk_enough_mb};
    o.rules.of[resource::connections] = {s.pressure_connections_high, s.pressure_connections_low};
    o.rules.of[resource::queue] = {s.pressure_queue_high, s.pressure_queue_low};
    o.rules.after = s.pressure_after;
    o.rules.clear_after = s.pressure_clear_after;
    for (const auto& name : s.pressure_actions) {
        if (const auto action = runtime::parse_pressure_action(name)) o.rules.actions = o.rules.actions.with(*action);
    }
    o.interval = s.pressure_interval;
    o.places = {s.pressure_control_group, {s.data, run_directory(s)}};
    o.reject_below = s.pressure_reject_below;
    return o;
}

runtime::instance_options instance_options_of(const settings& s, const std::string& database_url, bool sole)
{
    runtime::instance_options o;
    o.database_url = database_url;
    o.public_url = s.public_url.substr(0, s.public_url.find_last_not_of('/') + 1);
    o.parallelism = s.executor_parallelism;
    o.general_sessions = s.database_sessions;
    o.lease = s.lease;
    o.poll = s.scheduler_poll_interval;
    o.grace = s.graceful_timeout;
    o.priority_age = s.priority_age;
    o.key_ttl = s.idempotency_key_ttl;
    o.share_fairly = s.fairness == fairness_mode::tenant;
    o.concurrency_per_tenant = s.concurrency_per_tenant;
    o.queue_capacity = s.executor_queue_capacity;
    o.max_queued_submissions = static_cast<std::size_t>(s.max_queued_submissions);
    o.partition_days_ahead = s.partition_days_ahead;
    o.sole_instance = sole;
    o.process.enabled = s.process_handler_enabled;
    o.process.allowed_programs = s.process_allowed_programs;
    o.process.run_root = run_directory(s);
    o.process.grace = s.force_kill_after;
    o.http.allow_private_addresses = s.http_allow_private_addresses;
    o.http.grace = s.force_kill_after;
    o.sql.connections = s.sql_connections;
    o.sql.max_connections = s.sql_max_connections;
    o.sql.grace = s.force_kill_after;
    o.defaults = defaults_of(s);
    o.dependency_check = s.dependency_check_interval;
    o.retention.error_queue_capacity = s.error_queue_capacity;
    o.retention.error_retention = s.error_retention;
    o.retention.dead_letter_retention = s.dead_letter_retention;
    o.retention.history_retention = s.history_retention;
    o.retention.log_retention = s.log_retention;
    o.retention.checkpoint_retention = s.checkpoint_retention;
    o.retention.tick_retention = s.tick_retention;
    o.scheduler_enabled = s.scheduler_enabled;
    o.catchup_limit = s.scheduler_catchup_limit;
    o.event_retention = s.event_retention;
    o.labels = s.instance_labels.all;
    for (const auto& [type, most] : s.parallelism_by_handler.all) {
        if (most > 0) o.by_handler.emplace(type, most);
    }
    o.capacity = capacity_of(s);
    o.pressure = pressure_of(s);
    return o;
}

api::server_options server_options_of(const settings& s, const runtime::process_options& process)
{
    api::server_options o;
    o.host = s.listen.host;
    o.port = s.listen.port;
    o.auth_none = s.auth == auth_mode::none;
    o.max_connections = static_cast<std::size_t>(s.max_connections);
    o.max_streams = static_cast<std::size_t>(s.max_streams);
    o.max_body_memory_bytes = static_cast<std::size_t>(s.max_body_memory_bytes);
    o.max_body_bytes = static_cast<std::size_t>(s.max_body_bytes);
    o.max_header_bytes = static_cast<std::size_t>(s.max_header_bytes);
    o.max_in_flight = static_cast<std::size_t>(s.stream_max_in_flight);
    o.header_timeout = s.header_timeout;
    o.body_timeout = s.body_timeout;
    o.idle_timeout = s.idle_timeout;
    o.process = process;
    for (const auto& [name, url] : s.sql_connections) o.sql_connections.push_back(name);
    return o;
}

exit_code exit_code_of(const error& e)
{
    return e.code == errc::invalid_request ? exit_code::configuration : exit_code::protocol;
}

exit_code complain(const error& e)
{
    std::cerr << "rowlock: " << e.detail << '\n';
    return exit_code_of(e);
}

// Waits for a stop signal. Meanwhile a private database that has died is started again.
void wait_for_stop(const signal_source& signals, dev_postgres* own_database)
{
    for (;;) {
        pollfd watched[2] = {{signals.fd(), POLLIN, 0}, {own_database ? own_database->watch_fd() : -1, POLLIN, 0}};
        if (poll(watched, 2, -1) < 0) continue;
        if ((watched[0].revents & POLLIN) != 0 && signals.take()) return;
        if (own_database && watched[1].revents != 0) {
            spdlog::warn("the private PostgreSQL has ended; it is started again");
            if (const auto again = own_database->ensure_running(); !again) {
                spdlog::error("{}", again.error().detail);
                // Sessions go on trying, and so does this: every second, until it works or the server is stopped.
                pollfd stop{signals.fd(), POLLIN, 0};
                if (poll(&stop, 1, 1000) > 0 && signals.take()) return;
            }
        }
    }
}

// Turns a second stop signal into `hurry`, while `done` is false.
void watch_for_hurry(const signal_source& signals, const std::atomic<bool>& done, std::atomic<bool>& hurry)
{
    while (!done.load()) {
        pollfd watched{signals.fd(), POLLIN, 0};
        if (poll(&watched, 1, 50) > 0 && signals.take()) hurry.store(true);
    }
}

}

void block_stop_signals()
{
    const auto set = stop_signals();
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    signal(SIGPIPE, SIG_IGN);
}

exit_code run_server(const settings& s, const std::string& database_url, const server_surroundings& around)
{
    const signal_source signals;
    const auto files = raise_file_limit();
    auto options = instance_options_of(s, database_url, around.own_database != nullptr);
    options.process.open_files = files.before;
    runtime::core_group cores(s.cores > 0 ? s.cores : static_cast<int>(std::max(1u, std::thread::hardware_concurrency())));
    runtime::instance instance(cores, options);
    cores.start();
    auto serving = server_options_of(s, options.process);
    serving.max_connections = connections_within(s, files.now);
    if (serving.max_connections < static_cast<std::size_t>(s.max_connections)) {
        spdlog::warn("MAX_CONNECTIONS is {}, but with {} open files at most {} are taken: raise the limit on open files (ulimit -Hn, LimitNOFILE=)", s.max_connections,
                     files.now, serving.max_connections);
    }
    api::server server(cores, instance, std::move(serving));
    if (const auto listening = server.listen(); !listening) return complain(listening.error());
    if (const auto started = instance.start(server.address()); !started) return complain(started.error());
    if (const auto answering = server.start(); !answering) {
        instance.stop(std::atomic<bool>{true});
        return complain(answering.error());
    }
    // Before it is said: who reads that may look at once.
    if (around.listening) around.listening(server.address());
    std::cout << "listening on http://" << server.address() << std::endl;

    wait_for_stop(signals, around.own_database);
    spdlog::info("stopping: running work gets {} s", std::chrono::duration_cast<std::chrono::seconds>(s.graceful_timeout).count());
    // Requests are answered through all of it: only what has been shut out of load balancers for a while is closed to clients.
    const auto drained_by = runtime::steady_clock::now() + s.drain;
    std::atomic<bool> done{false};
    std::atomic<bool> hurry{false};
    std::thread watcher([&] { watch_for_hurry(signals, done, hurry); });
    server.wind_down();
    instance.hand_over(hurry);
    server.drain(drained_by, hurry);
    server.stop();
    instance.stop(hurry);
    done.store(true);
    watcher.join();
    spdlog::info("stopped");
    return exit_code::success;
}

}
