#include "ops/cli/execution_view.hpp"
#include "ops/cli/human_text.hpp"
#include "ops/cli/json_read.hpp"
#include "ops/cli/verbs.hpp"

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <fmt/format.h>

namespace rowlock::ops {

namespace json = boost::json;

namespace {

constexpr std::size_t most_transitions = 1000;
constexpr std::chrono::seconds between_looks{1};
constexpr std::chrono::seconds beyond_look{30};

// Shows the transitions of `id` beyond the first `known`, and counts them in.
std::optional<refusal> show_news(context& c, const std::string& id, std::size_t& known)
{
    const auto transitions = c.api().list(target("/v1/executions").segment(id).segment("transitions"), most_transitions);
    if (!transitions) return transitions.error();
    const json::array& items = *array_at(*transitions, "items");
    for (; known < items.size(); ++known) {
        const json::value& one = items[known];
        const std::string from = text_at(one, "from_status");
        std::string line = fmt::format("{}  {}{}{}", human_time(text_at(one, "at")), from, from.empty() ? "" : " -> ", text_at(one, "to_status"));
        if (const std::string reason = text_at(one, "reason"); !reason.empty()) line += fmt::format("  ({})", reason);
        if (c.screen.human()) c.screen.line(line);
        else c.screen.notice(line);
    }
    return std::nullopt;
}

// Looks once a second, for as long as the server holds a wait, until the run has ended.
exit_code watch(context& c, const std::string& execution_id)
{
    std::string current = execution_id;
    std::size_t known = 0;
    for (;;) {
        target wait = target("/v1/executions").segment(current).segment("wait");
        const auto last = c.api().get(wait.query("timeout_seconds", std::to_string(between_looks.count())), between_looks + beyond_look);
        if (!last) return c.fail(last.error());
        if (const auto broken = show_news(c, current, known)) return c.fail(*broken);
        const std::string id = text_at(last->body, "execution_id");
        if (!id.empty() && id != current) {
            c.screen.notice(fmt::format("attempt {}: {}", text_at(last->body, "attempt_number"), id));
            current = id;
            known = 0;
            if (const auto broken = show_news(c, current, known)) return c.fail(*broken);
        }
        if (!has_ended(last->body)) continue;
        if (c.screen.human()) c.screen.line(one_line_of(last->body));
        else c.screen.document(last->body);
        return exit_code_of_execution(last->body);
    }
}

}

void add_execution_watch(CLI::App& execution, context& c)
{
    CLI::App* verb = execution.add_subcommand("watch", "Show each change of state until the run has ended; exit code 1 if it failed");
    const auto id = std::make_shared<std::string>();
    verb->add_option("ID", *id, "Its execution_id")->required();
    verb->footer("Example:\n  rowlock execution watch ID");
    verb->callback([&c, id] { c.chosen = [&c, id] { return watch(c, *id); }; });
}

}
