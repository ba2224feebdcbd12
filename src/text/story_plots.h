// story_plots.h: what the families of stories share.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/story_scene.h"

namespace facet {

// How the text tells a cause, and how an answer to "Why ...?" names it.
struct Reason {
  std::string_view told, answer;
};

// Introduces the hero.
inline void begin(Scene& s) {
  s.say("<opening>");
  s.maybe(0.5, "<opening_more>");
  s.maybe(0.5, s.person('a').animal ? "<memory>" : "{<appearance>|<memory>}");
}

// Something on the way, nothing to do with the plot.
inline void aside(Scene& s, double p = 0.5) { s.maybe(p, "<chat>"); }

// Joy, thanks, and an ending, each of them sometimes.
inline void finish_happily(Scene& s) {
  s.maybe(0.5, "<feel_glad>");
  s.maybe(0.5, "<thanks>");
  s.maybe(0.25, "<welcome>");
  s.maybe(0.3, "<chat>");
  s.maybe(0.5, "<ending>");
}

inline std::string_view rule_of_spots(Scene& s, char place) {
  return s.at(place).outdoors ? "outdoor_spot" : "indoor_spot";
}

extern const std::vector<Reason> kLossReasons;

void plot_lost_and_found(Scene& s);
void plot_stuck(Scene& s);
void plot_hide_and_seek(Scene& s);
void plot_moved(Scene& s);
void plot_share(Scene& s);
void plot_trade(Scene& s);
void plot_earn(Scene& s);
void plot_quarrel(Scene& s);
void plot_delivery(Scene& s);
void plot_birthday(Scene& s);
void plot_broken(Scene& s);
void plot_cooking(Scene& s);
void plot_garden(Scene& s);
void plot_picnic(Scene& s);
void plot_race(Scene& s);
void plot_fear(Scene& s);
void plot_lost_pet(Scene& s);
void plot_treasure(Scene& s);

}  // namespace facet
