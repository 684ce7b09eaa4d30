// Says, on stderr, what a test case that takes long is waiting for: a test that fails once in a hundred runs, on a machine that nobody can look at, has to
// bring its own evidence.

#include "tests/support/private_postgres.hpp"

#define CATCH_CONFIG_EXTERNAL_INTERFACES
#include <catch2/catch.hpp>
#include <condition_variable>
#include <fstream>
#include <iostream>
#include <mutex>
#include <pqxx/pqxx>
#include <sstream>
#include <thread>

namespace rowlock::test {
namespace {

using clock = std::chrono::steady_clock;

constexpr std::chrono::seconds tick{1};
constexpr std::chrono::seconds slow{25};             // a case takes longer than this: it is told, and again after as long
constexpr std::chrono::seconds stillness{5};         // a tick that comes so late says that the whole machine stood still
constexpr int most_rows = 40;

void say(const std::string& what)
{
    std::ostringstream line;
    line << "slow: " << what << '\n';
    std::cerr << line.str();
}

std::string first_line_of(const char* path)
{
    std::string line;
    std::getline(std::ifstream(path) >> std::ws, line);
    return line;
}

void say_what_the_database_does()
{
    const auto url = private_postgres::url_of_running();
    if (url.empty()) return;
    try {
        pqxx::connection session(url + (url.find('?') == std::string::npos ? '?' : '&') + "connect_timeout=5");
        pqxx::nontransaction work(session);
        const auto rows = work.exec(
            "select datname, pid, state, coalesce(wait_event_type || ':' || wait_event, '-'), pg_blocking_pids(pid)::text,"
            "       round(extract(epoch from clock_timestamp() - coalesce(query_start, backend_start))::numeric, 1), left(regexp_replace(query, '\\s+', ' ', 'g'), 160)"
            "  from pg_stat_activity where pid <> pg_backend_pid() and state <> 'idle' order by query_start limit " +
            std::to_string(most_rows));
        say("the database has " + std::to_string(rows.size()) + " sessions that are not idle");
        for (const auto& r : rows) {
            std::ostringstream row;
            for (const auto& field : r) row << ' ' << field.c_str();
            say(row.str());
        }
    } catch (const std::exception& e) {
        say(std::string("the database does not answer: ") + e.what());
    }
}

// Looks once a second at how long the present case has taken.
class watch {
public:
    watch() : thread_([this] { look(); }) {}
    ~watch()
    {
        {
            const std::lock_guard lock(mutex_);
            over_ = true;
        }
        changed_.notify_one();
        thread_.join();
    }

    void begin(std::string name)
    {
        const std::lock_guard lock(mutex_);
        name_ = std::move(name);
        told_ = clock::now();
    }
    void end()
    {
        const std::lock_guard lock(mutex_);
        name_.clear();
    }

private:
    void look()
    {
        std::unique_lock lock(mutex_);
        auto last = clock::now();
        while (!changed_.wait_for(lock, tick, [this] { return over_; })) {
            const auto now = clock::now();
            if (now - last > stillness) {
                say("this machine stood still for " + std::to_string(std::chrono::duration_cast<std::chrono::seconds>(now - last).count()) + " s; load " +
                    first_line_of("/proc/loadavg") + "; " + first_line_of("/proc/stat"));
            }
            if (!name_.empty() && now - told_ > slow) {
                const auto name = name_;
                told_ = now;
                lock.unlock();
                say("at it for " + std::to_string(slow.count()) + " s and more: " + name + "; load " + first_line_of("/proc/loadavg") + "; " + first_line_of("/proc/stat"));
                say_what_the_database_does();
                lock.lock();
            }
            last = clock::now();
        }
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    std::string name_;                               // empty: between two cases
    clock::time_point told_{};
    bool over_ = false;
    std::thread thread_;
};

struct slow_cases : Catch::TestEventListenerBase {
    using TestEventListenerBase::TestEventListenerBase;

    void testCaseStarting(const Catch::TestCaseInfo& info) override
    {
        if (!watch_) watch_ = std::make_unique<watch>();
        watch_->begin(info.name);
    }
    void testCaseEnded(const Catch::TestCaseStats&) override { watch_->end(); }
    void testRunEnded(const Catch::TestRunStats&) override { watch_.reset(); }

    std::unique_ptr<watch> watch_;
};

}
}

// The macro makes a name from the line.
using rowlock::test::slow_cases;
CATCH_REGISTER_LISTENER(slow_cases)
