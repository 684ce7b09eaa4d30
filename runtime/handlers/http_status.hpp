#pragma once

#include "runtime/handlers/failure.hpp"
#include "runtime/handlers/http_message.hpp"
#include "storage/model/time.hpp"

#include <boost/json/object.hpp>
#include <chrono>
#include <optional>
#include <string>

namespace rowlock::runtime {

// What a status body is asked, in SQL/JSON paths; an empty one is not asked. The database answers.
struct status_question {
    std::string body;
    std::string success;
    std::string failure;
    std::string progress;

    bool asks() const { return !success.empty() || !failure.empty() || !progress.empty(); }
};

struct status_answer {
    std::optional<bool> success{};                   // none: it is not asked, or has no boolean answer
    std::optional<bool> failure{};
    std::optional<double> progress{};                // from 0 to 1
};

enum class job_state : std::uint8_t { running, succeeded, failed };

// By the usual words in `status`, or else in `state`, in whatever case. What says nothing goes on.
job_state usual_state(const boost::json::object& body);

// What the predicates come to; without any, the usual words. One that has no boolean answer is INVALID_RESULT. Where both hold it has failed.
attempted<job_state> state_of(const boost::json::object& body, const status_question& asked, const status_answer& answer);

// The reply to a status request, as far as it can be read without the database.
struct status_reading {
    std::optional<boost::json::object> body{};       // none: a bad one, see `why`
    failure why{};
    bool final = false;                              // it is no use to ask again
    std::optional<std::chrono::seconds> retry_after{};
};

// 2xx with a JSON object is good. 404 and 410, what the definition makes impossible and what is not allowed are final; all else is bad. Pure.
status_reading read_status(const attempted<http_reply>& reply, timestamp now);

// How many bad answers in a row are too many.
class poll_patience {
public:
    static constexpr int most = 5;

    void good() { bad_ = 0; }
    // True: that was one too many.
    bool bad() { return ++bad_ >= most; }

private:
    int bad_ = 0;
};

}
