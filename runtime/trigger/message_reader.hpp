#pragma once

#include "runtime/async/types.hpp"
#include "runtime/execute/identity.hpp"
#include "runtime/observe/counters.hpp"
#include "runtime/trigger/event_intake.hpp"
#include "storage/listener.hpp"
#include "storage/message_store.hpp"

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace rowlock::runtime {

// Reads the tables and hears the channels of message triggers, on a thread of its own: each source is read by one instance at a time. That a row is
// one event does not rest on that, but on its place, which is compared and moved in the transaction that takes it in. A notification is taken in at most once.
class message_reader {
public:
    struct options {
        storage::session_options session;
        std::map<std::string, std::string> connections;      // SQL_CONNECTIONS; empty: there is nothing to read, and no thread
        std::chrono::milliseconds poll{1000};
    };
    // `queued`: executions were made; on the reading thread. All references outlive it.
    message_reader(options o, const identity& self, counters& counts, event_intake& events, std::function<void(std::size_t)> queued);
    ~message_reader() { stop(); }

    message_reader(const message_reader&) = delete;
    message_reader& operator=(const message_reader&) = delete;

    // Returns when what is under way has ended: some seconds, where a database does not answer.
    void stop();

private:
    struct heard_channel {
        std::string name;
        std::shared_ptr<std::atomic<deadline>> until;        // as held_until_; the listening thread reads it
        std::unique_ptr<storage::listener> ears;
    };

    void work();
    bool wait();
    void look(storage::session& own);
    // True: there may be more rows.
    bool read_table(storage::session& own, const storage::message_source& from);
    void hear(storage::session& own, const std::vector<storage::message_source>& mine);
    void tell_of(storage::session& own, const storage::message_source& from);
    void heard(const storage::message_source& from, const std::string& payload);
    std::vector<storage::message_source> take(storage::session& own);
    void note(storage::session& own, const storage::message_source& from, const std::string& failure);
    void note_well(storage::session& own, const storage::message_source& from);
    const std::string* url_of(const storage::message_source& from) const;

    options options_;
    const identity& self_;
    counters& counts_;
    event_intake& events_;
    std::function<void(std::size_t)> queued_;
    std::map<std::string, std::unique_ptr<pqxx::connection>> open_;      // to the databases of tables, by name
    std::map<int, heard_channel> channels_;                  // by trigger_key
    std::map<int, std::string> noted_;                       // what was said of each source that is read here; empty: that it can be read
    deadline held_until_{};                                  // of what was taken last: nobody else may take it before
    std::mutex mutex_;
    std::condition_variable changed_;
    bool stopping_ = false;
    std::thread thread_;                             // last: it uses the rest
};

}
