#include "runtime/handlers/http_status.hpp"

#include "runtime/handlers/http_reply.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <string_view>

namespace rowlock::runtime {

namespace json = boost::json;

namespace {

constexpr std::array<std::string_view, 5> words_of_success{"COMPLETED", "SUCCESS", "SUCCEEDED", "DONE", "FINISHED"};
constexpr std::array<std::string_view, 5> words_of_failure{"FAILED", "ERROR", "CANCELLED", "ABORTED", "TIMEOUT"};

template <std::size_t N>
bool among(const std::array<std::string_view, N>& words, std::string_view word)
{
    return std::any_of(words.begin(), words.end(), [word](std::string_view each) { return same_header(each, word); });
}

std::string_view word_of(const json::object& body)
{
    for (const char* name : {"status", "state"}) {
        const auto* value = body.if_contains(name);
        const auto* text = value ? value->if_string() : nullptr;
        if (text) return {text->data(), text->size()};
    }
    return {};
}

failure no_answer(std::string_view which, const std::string& path)
{
    return {"INVALID_RESULT", fmt::format("handler.{}, {}, is neither true nor false for the status that the target gives", which, path)};
}

}

job_state usual_state(const json::object& body)
{
    const auto word = word_of(body);
    if (among(words_of_success, word)) return job_state::succeeded;
    return among(words_of_failure, word) ? job_state::failed : job_state::running;
}

attempted<job_state> state_of(const json::object& body, const status_question& asked, const status_answer& answer)
{
    if (asked.success.empty() && asked.failure.empty()) return usual_state(body);
    if (!asked.failure.empty() && !answer.failure) return no_answer("failure", asked.failure);
    if (!asked.success.empty() && !answer.success) return no_answer("success", asked.success);
    if (answer.failure.value_or(false)) return job_state::failed;
    return answer.success.value_or(false) ? job_state::succeeded : job_state::running;
}

status_reading read_status(const attempted<http_reply>& reply, timestamp now)
{
    status_reading reading;
    if (!reply) {
        reading.why = reply.error();
        reading.final = reading.why.code == "INVALID_CONFIG" || reading.why.code == "PERMISSION_DENIED";
        return reading;
    }
    if (reply->status < 200 || reply->status >= 300) {
        auto said = conclude(*reply, now).outcome;
        reading.why = {std::move(said.error_code), "the status URL: " + said.error_message};
        reading.final = reply->status == 404 || reply->status == 410;
        reading.retry_after = said.retry_after;
        return reading;
    }
    reading.body = as_object(reply->body);
    if (!reading.body) reading.why = {"INVALID_RESULT", "the status URL answers with what is no JSON object"};
    return reading;
}

}
