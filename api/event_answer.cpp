#include "api/event_answer.hpp"

#include <fmt/format.h>

namespace rowlock::api {

response answer_event(request_context& rq, const result<storage::taken_event>& taken)
{
    using verdict = storage::taken_event::verdict;
    if (!taken) return rq.refuse(taken.error());
    if (taken->what == verdict::replayed) {
        return rq.refuse({errc::signature_reused, "This call was taken in before. Another one needs another timestamp or another body."});
    }
    auto answer = rq.reply(202);
    fmt::format_to(std::back_inserter(answer.body), R"({{"event_id":"{}","activated":{},"waiting":{},"duplicate":{}}})", taken->id.str(), taken->activated, taken->waiting,
                   taken->what == verdict::duplicate);
    return answer;
}

}
