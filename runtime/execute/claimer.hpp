#pragma once

#include "runtime/catalog/catalog.hpp"
#include "runtime/execute/executor.hpp"
#include "runtime/execute/identity.hpp"
#include "runtime/execute/ledger.hpp"
#include "runtime/execute/slots.hpp"

#include <condition_variable>
#include <mutex>
#include <thread>

namespace rowlock::runtime {

// Claims queued work for the free slots, on a database thread of its own. Works only when it was told that there may be
// something, and goes on while it finds something.
class claimer {
public:
    claimer(storage::session_options session, identity& self, slots& free, ledger& owned, catalog& jobs, executor& runs, counters& counts);
    ~claimer() { stop(); }

    // There may be work. Any thread.
    void wake();
    // There are free slots again: what was known to wait is claimed. Any thread.
    void slots_freed();
    // A statement that may have given this instance something has been given up without its answer: what it took is looked for as soon
    // as the database answers again, and handed back. Any thread.
    void doubt();
    void stop();

private:
    void work(storage::session_options options);
    void resolve_doubt(storage::session& s);
    // Returns whether there may be more.
    bool claim_once(storage::session& s);
    void start(storage::session& s, instance_id owner, const std::vector<storage::claimed_extent>& extents);
    std::vector<assignment> read_work(storage::session& s, instance_id owner, const std::vector<storage::claimed_extent>& extents);

    identity& self_;
    slots& free_;
    ledger& owned_;
    catalog& jobs_;
    executor& runs_;
    counters& counts_;
    lane_id cursor_{0};
    std::mutex mutex_;
    std::condition_variable changed_;
    bool told_ = false;                              // there may be work
    bool in_doubt_ = false;
    bool stopping_ = false;
    std::thread thread_;
};

}
