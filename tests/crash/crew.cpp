#include "tests/crash/crew.hpp"

#include "tests/crash/loopback_port.hpp"

#include <exception>
#include <iostream>

namespace rowlock::test {

namespace {

std::vector<std::string> arguments(const std::string& database)
{
    return {"serve", "--auth", "none", "--database", database, "--cores", "2"};
}

environment_map environment(environment_map more)
{
    more.merge(any_program());
    more.emplace("ROWLOCK_LEASE_SECONDS", std::to_string(crew_lease.count()));
    more.emplace("ROWLOCK_SCHEDULER_POLL_INTERVAL_MS", "100");
    more.emplace("ROWLOCK_EXECUTOR_PARALLELISM", "8");
    return more;
}

}

crew::~crew()
{
    if (std::uncaught_exceptions() == 0) return;
    for (auto& [name, server] : servers_) {
        server->process().wait(std::chrono::seconds(2));      // a sanitizer may still be writing
        std::cerr << "server " << name << ": " << server->process().told() << '\n';
    }
}

server_process& crew::start(const std::string& name, environment_map more)
{
    const auto [at, is_new] = addresses_.try_emplace(name);
    if (is_new) at->second = unused_loopback_address();
    auto words = arguments(database_);
    words.insert(words.end(), {"--listen", at->second});
    auto fresh = std::make_unique<server_process>(std::move(words), environment(std::move(more)));
    where_.set(name, fresh->address());
    servers_[name] = std::move(fresh);
    return this->at(name);
}

void crew::kill_hard(const std::string& name)
{
    at(name).kill_hard();
    where_.remove(name);
    servers_.erase(name);
}

int crew::stop(const std::string& name)
{
    // It stays among the targets of clients until it refuses them.
    const int code = at(name).terminate();
    where_.remove(name);
    servers_.erase(name);
    return code;
}

int crew::run_until_crash(const std::string& step, const std::function<void()>& once_it_listens, const std::string& name)
{
    const auto before = addresses_.find(name);
    auto words = arguments(database_);
    words.insert(words.end(), {"--listen", before == addresses_.end() ? "127.0.0.1:0" : before->second});
    program doomed(words, environment({{"ROWLOCK_CRASH_AT", step}}));
    bool listens = false;
    // It may die before it listens.
    eventually("the server dies at " + step, [&] {
        if (doomed.wait(std::chrono::milliseconds(0))) return true;
        const auto told = doomed.out();
        constexpr std::string_view before = "listening on http://";
        const auto from = told.find(before);
        if (listens || from == std::string::npos || told.back() != '\n') return false;
        listens = true;
        where_.set(name, told.substr(from + before.size(), told.find('\n', from) - from - before.size()));
        if (once_it_listens) once_it_listens();
        return false;
    });
    where_.remove(name);
    return *doomed.wait();
}

}
