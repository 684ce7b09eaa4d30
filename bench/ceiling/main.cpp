// What PostgreSQL does with the queue's own statements when a bare loop calls them: the most that an instance could reach. See bench/README.md.
#include "bench/ceiling/queue_hand.hpp"

#include <CLI/CLI.hpp>
#include <atomic>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <deque>
#include <exception>
#include <iostream>
#include <mutex>
#include <string>
#include <thread>

using namespace rowlock::bench;
using std::chrono::steady_clock;

namespace {

struct options {
    std::string database;
    std::size_t jobs = 300'000;
    std::size_t sessions = 2;
    std::size_t batch = 1000;
    std::size_t lanes = 1;
    std::size_t seconds = 10;
    bool start = false;
    bool wait = false;
    failing fails{};
};

struct progress {
    std::atomic<std::size_t> taken{0};
    std::atomic<std::size_t> done{0};
    std::atomic<bool> stop{false};
    std::mutex mutex{};
    std::exception_ptr failed{};
};

void load(queue_hand& hand, const options& o, progress& p)
{
    for (;;) {
        const std::size_t from = p.taken.fetch_add(o.batch);
        if (from >= o.jobs || p.stop) return;
        const std::size_t n = std::min(o.batch, o.jobs - from);
        hand.submit(n, false);
        p.done += n;
    }
}

void drain(queue_hand& hand, const options& o, progress& p)
{
    while (p.done < o.jobs && !p.stop) {
        // Nothing found may mean that another session holds what is left, and cuts it in two.
        if (hand.claim(o.batch) == 0) std::this_thread::yield();
        p.done += hand.settle();
    }
}

void steady(queue_hand& hand, const options& o, progress& p)
{
    while (!p.stop) {
        hand.submit(o.batch, o.start);
        if (!o.start) hand.claim(o.batch);
        p.done += hand.settle();
    }
}

// Each hand owns its share of what waits, so that nothing but ends is measured.
void claim_all(std::deque<queue_hand>& hands, const options& o)
{
    for (std::size_t idle = 0; idle < hands.size();) {
        for (queue_hand& hand : hands) idle = hand.claim(o.batch) == 0 ? idle + 1 : 0;
    }
}

void settle(queue_hand& hand, const options& o, progress& p)
{
    while (!p.stop) {
        const std::size_t n = hand.settle(o.batch);
        if (n == 0) return;
        p.done += n;
    }
}

struct scenario {
    const char* name;
    void (*run)(queue_hand&, const options&, progress&);
    void (*prepare)(std::deque<queue_hand>&, const options&);    // null: nothing is to be done before
    bool submits;
    bool timed;                                       // ends after `seconds`, otherwise when all is done
};
constexpr scenario scenarios[] = {
    {"load", load, nullptr, true, false},
    {"drain", drain, nullptr, false, false},
    {"steady", steady, nullptr, true, true},
    {"settle", settle, claim_all, false, false},
};

void run_one(const scenario& what, queue_hand& hand, const options& o, progress& p)
{
    try {
        what.run(hand, o, p);
    } catch (...) {
        p.stop = true;
        const std::lock_guard lock(p.mutex);
        if (!p.failed) p.failed = std::current_exception();
    }
}

// Says each second how much has been done, so that whoever reads sees a rate that falls.
void tell(std::size_t seconds, steady_clock::time_point start, progress& p)
{
    for (std::size_t second = 1; second <= seconds && !p.stop; ++second) {
        std::this_thread::sleep_until(start + std::chrono::seconds{second});
        std::cout << boost::json::serialize(boost::json::object{{"second", second}, {"done", p.done.load()}}) << std::endl;
    }
    p.stop = true;
}

void run(const scenario& what, const options& o)
{
    const auto jobs = make_jobs(o.database, what.submits ? o.lanes : 0);
    std::deque<queue_hand> hands;
    for (std::size_t i = 0; i < o.sessions; ++i) hands.emplace_back(o.database, jobs, o.fails);
    if (what.prepare != nullptr) what.prepare(hands, o);
    if (o.wait) {
        std::string go;
        std::cout << boost::json::serialize(boost::json::object{{"ready", true}}) << std::endl;
        std::getline(std::cin, go);
    }
    progress p;
    std::vector<std::thread> threads;
    const auto start = steady_clock::now();
    for (queue_hand& hand : hands) threads.emplace_back(run_one, std::cref(what), std::ref(hand), std::cref(o), std::ref(p));
    if (what.timed) tell(o.seconds, start, p);
    for (std::thread& each : threads) each.join();
    const std::chrono::duration<double> length = steady_clock::now() - start;
    if (p.failed) std::rethrow_exception(p.failed);
    boost::json::object said{{"scenario", what.name}, {"jobs", p.done.load()}, {"seconds", length.count()}};
    std::size_t failed = 0;
    double settling = 0;
    for (const queue_hand& hand : hands) {
        failed += hand.failed();
        settling += hand.settling().count();
    }
    said["failed"] = failed;
    said["settle_us_per_job"] = p.done > 0 ? 1e6 * settling / static_cast<double>(p.done) : 0;
    std::cout << boost::json::serialize(said) << std::endl;
}

}

int main(int argc, char** argv)
{
    CLI::App app("Calls the statements of Rowlock's queue from a bare loop, on an empty database or on one that `load` has filled.", "ceiling");
    std::string chosen;
    options o;
    const CLI::Range some(std::size_t{1}, std::size_t{100'000'000});
    app.add_option("SCENARIO", chosen, "load: queue executions. drain: claim and settle them. steady: submit, claim, settle. settle: claim all that wait, then "
                                     "settle them, which alone is measured")
        ->required()
        ->check(CLI::IsMember({"load", "drain", "steady", "settle"}));
    app.add_option("--database", o.database, "URL of a database of which nothing is kept")->required();
    app.add_option("--jobs", o.jobs, "Executions of load and drain")->check(some)->capture_default_str();
    app.add_option("--seconds", o.seconds, "Length of steady")->check(some)->capture_default_str();
    app.add_option("--sessions", o.sessions, "Sessions, each with a thread")->check(CLI::Range(std::size_t{1}, std::size_t{64}))->capture_default_str();
    app.add_option("--batch", o.batch, "Executions in a statement")->check(CLI::Range(std::size_t{1}, std::size_t{100'000}))->capture_default_str();
    app.add_option("--lanes", o.lanes, "Jobs that a batch is spread over")->check(CLI::Range(std::size_t{1}, std::size_t{100'000}))->capture_default_str();
    app.add_flag("--start", o.start, "steady: the session owns what it submits, and claims nothing");
    app.add_option("--failures", o.fails.share, "Share of what is settled that fails; each failure has a next attempt with a delay of its own")
        ->check(CLI::Range(0.0, 1.0))
        ->capture_default_str();
    app.add_flag("--dead", o.fails.dead, "Failures have no next attempt but a dead letter");
    app.add_flag("--wait", o.wait, "Say when everything is made, and begin with a line on stdin");
    CLI11_PARSE(app, argc, argv);
    try {
        for (const scenario& each : scenarios) {
            if (chosen == each.name) run(each, o);
        }
    } catch (const std::exception& e) {
        std::cerr << "ceiling: " << e.what() << '\n';
        return 1;
    }
    return 0;
}
