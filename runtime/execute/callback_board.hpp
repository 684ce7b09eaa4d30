#pragma once

#include "runtime/async/database.hpp"
#include "runtime/handlers/callbacks.hpp"
#include "runtime/handlers/http_status.hpp"

#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

namespace rowlock::runtime {

// Brings to the attempts of this instance what their targets report, whichever instance took the report in: at once where it was this
// one, else when the other one notifies, and by one statement a second for all attempts in any case.
class callback_board {
public:
    // `home`: the core that the service runs on. Both outlive it.
    callback_board(database& db, core& home);

    // Where targets reach the servers: http://HOST:PORT, without a slash at its end. Before the first attempt.
    void reached_at(std::string base_url) { base_url_ = std::move(base_url); }
    // What the handlers of all cores use.
    callback_functions functions();

    // Looks soon: another instance has taken a report in. Any thread.
    void poke();
    // This instance has taken one in: brings it, or lets the instance know that waits for it. Any thread.
    void taken(execution_id id);

    // The service: run on one core until it is cancelled.
    awaitable<void> run();

private:
    struct place;

    awaitable<result<callback_line>> open(const assignment& work, callback_functions::heard heard);
    void close(execution_id id);
    void leave(execution_id id);
    void wake();
    awaitable<bool> wait();
    awaitable<void> tell_others();
    awaitable<void> drop_closed();
    awaitable<void> look();
    awaitable<bool> look_for(instance_id owner);
    awaitable<void> sweep();

    database& db_;
    core& home_;
    std::string base_url_;
    steady_timer next_look_;                         // on the home core
    bool woken_ = false;                             // on the home core
    std::mutex mutex_;
    std::unordered_map<execution_id, std::shared_ptr<place>> waiting_;
    std::vector<execution_id> closed_;
    bool others_to_tell_ = false;
};

// What http handlers evaluate status bodies with. `db` outlives what it returns.
std::function<awaitable<result<status_answer>>(status_question)> evaluation_by(database& db);

}
