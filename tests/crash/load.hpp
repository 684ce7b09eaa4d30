#pragma once

#include "tests/support/server_process.hpp"

#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace rowlock::test {

// What a job of the load does. All of them are defined by define_load().
inline const std::vector<std::string> kinds_of_work = {"quick", "short", "writes", "fails", "saves", "breaks"};

// Defines the jobs: `quick` does nothing; `short` sleeps 0.05 s; `writes` appends "EXECUTION_ID ATTEMPT" to the ledger file; `fails` fails twice and
// succeeds the third time; `saves` saves a checkpoint, fails once, and then says which checkpoint it was handed; `breaks` fails once, and has a breaker that
// opens at three failures in a row. With a url also `calls`, which posts to it.
void define_load(const server_process& on, const std::filesystem::path& ledger, const std::string& url = "");

struct load_style {
    std::string name = "client";                     // of the keys; another one for each load on a database
    bool keep_alive = false;                         // one connection for all requests of a client, as long as it lasts
    bool balanced = false;                           // a balancer may answer 502, 503 and 504 on its own
    std::chrono::milliseconds pace{0};               // from an answer to the client's next submission
    std::vector<std::string> kinds = kinds_of_work;
};

// The servers that clients try, in any order. They come and go.
class targets {
public:
    void set(const std::string& name, const std::string& address);
    void remove(const std::string& name);
    // One of them, other than the last time if there is another; "" where there is none.
    std::string next();

private:
    std::mutex mutex_;
    std::map<std::string, std::string> addresses_;
    std::size_t turn_ = 0;
};

// Clients that submit one keyed job after the other, each until it is acknowledged: what is not answered, or answered 5xx, is repeated
// with the same key. The key is also the correlation_id.
class load {
public:
    load(targets& where, int clients, load_style style = {});
    load(const load&) = delete;
    load& operator=(const load&) = delete;
    // Ends it without waiting for acknowledgements.
    ~load();

    // Begins nothing new, and returns when everything that was begun is acknowledged. Throws when that takes too long, or when a client
    // was refused something that it should not have been.
    void finish();

    // Acknowledged so far: the run of each key.
    std::map<std::string, std::string> acknowledged() const;
    std::size_t count() const;
    // How often a submission was answered 503, always with Retry-After.
    int turned_away() const { return turned_away_.load(); }
    // What a client saw that was no acknowledgement, each time: lost connections, refusals, 5xx.
    std::vector<std::string> failures() const;

private:
    // Where a client that keeps its connection is connected.
    struct line;

    void work(int client);
    // The run's id, or "" if it is to be tried again.
    std::string submit_once(line& to, const std::string& address, const std::string& key, const std::string& job);
    void note_failure(std::string what);

    targets& where_;
    load_style style_;
    std::atomic<bool> finishing_{false};
    std::atomic<bool> abandoned_{false};
    std::atomic<int> turned_away_{0};
    mutable std::mutex mutex_;
    std::map<std::string, std::string> acknowledged_;
    std::vector<std::string> failures_;
    std::string refused_;
    std::vector<std::thread> clients_;
};

}
