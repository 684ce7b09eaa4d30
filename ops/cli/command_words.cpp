#include "ops/cli/command_words.hpp"

#include <fmt/format.h>
#include <optional>

namespace rowlock::ops {

namespace {

std::string_view trimmed(std::string_view text)
{
    const auto first = text.find_first_not_of(' ');
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

}

outcome_of<std::vector<std::string>> command_words(std::string_view command, const std::map<std::string, std::string, std::less<>>& values)
{
    std::vector<std::string> words;
    std::optional<std::string> word;      // nullopt: between two words
    char quote = 0;
    for (std::size_t i = 0; i < command.size(); ++i) {
        const char c = command[i];
        if (command.substr(i).starts_with("{{")) {
            const auto end = command.find("}}", i);
            if (end == std::string_view::npos) return bad_input(fmt::format("the command {}: there is a {{{{ without its }}}}", command));
            const auto name = trimmed(command.substr(i + 2, end - i - 2));
            const auto value = values.find(name);
            if (value == values.end()) return bad_input(fmt::format("the command {}: {{{{ {} }}}} has no value here", command, name));
            word = word.value_or("") + value->second;
            i = end + 1;
        } else if (quote != 0) {
            if (c == quote) quote = 0;
            else *word += c;
        } else if (c == '\'' || c == '"') {
            quote = c;
            word = word.value_or("");
        } else if (c == ' ' || c == '\t') {
            if (word) words.push_back(std::move(*word));
            word.reset();
        } else {
            word = word.value_or("") + c;
        }
    }
    if (quote != 0) return bad_input(fmt::format("the command {}: a quote is open at its end", command));
    if (word) words.push_back(std::move(*word));
    if (words.empty()) return bad_input("the command has no words");
    return words;
}

}
