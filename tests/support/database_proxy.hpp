#pragma once

#include "tests/support/scratch_folder.hpp"

#include <atomic>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace rowlock::test {

// Where a connection is cut when a chosen statement comes by.
enum class cut {
    before_forwarding,      // the database never hears of it
    after_forwarding,       // it is carried out, and its answer is lost
};

// Stands between a server and its PostgreSQL, on a unix socket of its own, and does what a bad network does. Any thread may call.
class database_proxy {
public:
    // `url`: the database behind it, on a unix socket.
    explicit database_proxy(const std::string& url);
    database_proxy(const database_proxy&) = delete;
    database_proxy& operator=(const database_proxy&) = delete;
    ~database_proxy();

    // The same database, through the proxy.
    const std::string& url() const { return url_; }

    // Cuts the connection once, at the next execution of a prepared statement of one of these names; `then_stall`: at the same moment the rest
    // stalls, so that nobody can find out.
    void cut_at(std::set<std::string> statements, cut where, bool then_stall = false);
    // Has what was asked for happened?
    bool has_cut() const { return cuts_.load() == wanted_.load(); }

    // Nothing passes any more, in neither direction, and nothing is closed: a stall. New connections wait too.
    void stall() { stalled_.store(true); }
    void go_on() { stalled_.store(false); }

private:
    class link;
    void accept_all();
    // Asked by a link for each statement that is executed.
    bool should_cut(const std::string& statement, cut& where, bool& then_stall);

    scratch_folder folder_;
    std::string upstream_;
    std::string url_;
    int listening_ = -1;
    std::atomic<bool> stopping_{false};
    std::atomic<bool> stalled_{false};
    std::atomic<int> wanted_{0};
    std::atomic<int> cuts_{0};
    std::mutex mutex_;
    std::set<std::string> armed_;
    cut where_{};
    bool then_stall_ = false;
    std::vector<std::thread> links_;
    std::thread acceptor_;
};

}
