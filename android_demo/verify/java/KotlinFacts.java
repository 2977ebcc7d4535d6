import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.stream.Collectors;
import kotlin.Metadata;
import kotlin.metadata.Attributes;
import kotlin.metadata.ClassKind;
import kotlin.metadata.KmClass;
import kotlin.metadata.KmClassifier;
import kotlin.metadata.KmConstructor;
import kotlin.metadata.KmDeclarationContainer;
import kotlin.metadata.KmFunction;
import kotlin.metadata.KmProperty;
import kotlin.metadata.KmType;
import kotlin.metadata.KmTypeParameter;
import kotlin.metadata.KmTypeProjection;
import kotlin.metadata.KmValueParameter;
import kotlin.metadata.MemberKind;
import kotlin.metadata.Modality;
import kotlin.metadata.Visibility;
import kotlin.metadata.jvm.JvmMetadataUtil;
import kotlin.metadata.jvm.KotlinClassMetadata;
import org.jetbrains.org.objectweb.asm.AnnotationVisitor;
import org.jetbrains.org.objectweb.asm.ClassReader;
import org.jetbrains.org.objectweb.asm.ClassVisitor;
import org.jetbrains.org.objectweb.asm.Opcodes;

/**
 * Prints what a folder of compiled Kotlin declares, as Kotlin sees it: OWNER, a tab, a declaration.
 *
 * <p>A class is without its package, a default value is `= ...`, members of a companion object stand
 * with their class as `companion ...`; what is private or internal is left out.
 */
final class KotlinFacts {
    private static final String COMPANION = ".Companion";
    private final TreeSet<String> facts = new TreeSet<>();
    private final Map<Integer, String> typeParameters = new HashMap<>();

    public static void main(String[] arguments) throws IOException {
        KotlinFacts facts = new KotlinFacts();
        for (Path file : ClassFacts.below(Path.of(arguments[0]))) {
            facts.read(new ClassReader(Files.readAllBytes(file)));
        }
        facts.facts.forEach(System.out::println);
    }

    private void read(ClassReader reader) {
        Metadata metadata = metadataOf(reader);
        if (metadata == null) {
            return;
        }
        KotlinClassMetadata read = KotlinClassMetadata.readLenient(metadata);
        if (read instanceof KotlinClassMetadata.Class) {
            KmClass type = ((KotlinClassMetadata.Class) read).getKmClass();
            if (hidden(Attributes.getVisibility(type))) {
                return;
            }
            remember(type.getTypeParameters());
            String name = type.getName().replace('/', '.');
            if (Attributes.getKind(type) == ClassKind.COMPANION_OBJECT) {
                members(name.substring(0, name.length() - COMPANION.length()), "companion ", type);
                return;
            }
            fact(name, heading(type));
            type.getConstructors().forEach(each -> constructor(name, each));
            type.getKmEnumEntries().forEach(each -> fact(name, "entry " + each.getName()));
            members(name, "", type);
        } else if (read instanceof KotlinClassMetadata.FileFacade) {
            String name = reader.getClassName().replace('/', '.');
            fact(name, "file");
            members(name, "", ((KotlinClassMetadata.FileFacade) read).getKmPackage());
        }
    }

    private void fact(String owner, String declaration) {
        facts.add(owner + "\t" + declaration);
    }

    private static boolean hidden(Visibility visibility) {
        return visibility != Visibility.PUBLIC && visibility != Visibility.PROTECTED;
    }

    private static String visible(Visibility visibility) {
        return visibility == Visibility.PROTECTED ? "protected " : "";
    }

    private static String modality(Modality modality, boolean inherits) {
        if (modality == Modality.OPEN) {
            return "open ";
        }
        return modality == Modality.FINAL || inherits ? "" : modality.name().toLowerCase() + " ";
    }

    private String heading(KmClass type) {
        ClassKind kind = Attributes.getKind(type);
        String word = kind == ClassKind.ENUM_CLASS ? "enum"
            : kind.name().toLowerCase().replace("_class", "").replace("annotation", "@interface");
        if (Attributes.isFunInterface(type)) {
            word = "fun interface";
        }
        Modality modality = Attributes.getModality(type);
        boolean plain = modality == Modality.ABSTRACT && kind == ClassKind.INTERFACE
            || kind == ClassKind.ENUM_CLASS;
        List<String> parents = type.getSupertypes().stream()
            .map(this::text)
            .filter(each -> !each.equals("Any") && !each.startsWith("Enum<"))
            .collect(Collectors.toList());
        return modality(modality, plain) + word
            + (parents.isEmpty() ? "" : " : " + String.join(", ", parents));
    }

    private void members(String owner, String prefix, KmDeclarationContainer container) {
        boolean isInterface = container instanceof KmClass
            && Attributes.getKind((KmClass) container) == ClassKind.INTERFACE;
        for (KmFunction function : container.getFunctions()) {
            if (!hidden(Attributes.getVisibility(function))
                && Attributes.getKind(function) == MemberKind.DECLARATION) {
                fact(owner, prefix + function(function, isInterface));
            }
        }
        for (KmProperty property : container.getProperties()) {
            if (!hidden(Attributes.getVisibility(property))
                && Attributes.getKind(property) == MemberKind.DECLARATION) {
                fact(owner, prefix + property(property, isInterface));
            }
        }
    }

    private void constructor(String owner, KmConstructor constructor) {
        if (!hidden(Attributes.getVisibility(constructor))) {
            fact(owner, visible(Attributes.getVisibility(constructor)) + "constructor"
                + parameters(constructor.getValueParameters()));
        }
    }

    private String function(KmFunction function, boolean isInterface) {
        remember(function.getTypeParameters());
        KmType receiver = function.getReceiverParameterType();
        return visible(Attributes.getVisibility(function))
            + modality(Attributes.getModality(function), isInterface)
            + (Attributes.isSuspend(function) ? "suspend " : "")
            + "fun " + (receiver == null ? "" : text(receiver) + ".") + function.getName()
            + parameters(function.getValueParameters()) + ": " + text(function.getReturnType());
    }

    private String property(KmProperty property, boolean isInterface) {
        remember(property.getTypeParameters());
        KmType receiver = property.getReceiverParameterType();
        boolean settable = Attributes.isVar(property) && property.getSetter() != null
            && !hidden(Attributes.getVisibility(property.getSetter()));
        return visible(Attributes.getVisibility(property))
            + modality(Attributes.getModality(property), isInterface)
            + (Attributes.isConst(property) ? "const " : "") + (settable ? "var " : "val ")
            + (receiver == null ? "" : text(receiver) + ".") + property.getName() + ": "
            + text(property.getReturnType());
    }

    private String parameters(List<KmValueParameter> parameters) {
        return parameters.stream().map(this::parameter).collect(Collectors.joining(", ", "(", ")"));
    }

    private String parameter(KmValueParameter parameter) {
        KmType variable = parameter.getVarargElementType();
        return (variable == null ? "" : "vararg ") + parameter.getName() + ": "
            + text(variable == null ? parameter.getType() : variable)
            + (Attributes.getDeclaresDefaultValue(parameter) ? " = ..." : "");
    }

    private void remember(List<KmTypeParameter> parameters) {
        parameters.forEach(each -> typeParameters.put(each.getId(), each.getName()));
    }

    private String text(KmType type) {
        KmClassifier of = type.getClassifier();
        String name;
        if (of instanceof KmClassifier.Class) {
            String full = ((KmClassifier.Class) of).getName();
            name = full.substring(full.lastIndexOf('/') + 1);
        } else if (of instanceof KmClassifier.TypeParameter) {
            name = typeParameters.get(((KmClassifier.TypeParameter) of).getId());
        } else {
            name = ((KmClassifier.TypeAlias) of).getName();
        }
        List<String> arguments = new ArrayList<>();
        for (KmTypeProjection each : type.getArguments()) {
            arguments.add(each.getType() == null ? "*" : text(each.getType()));
        }
        return name + (arguments.isEmpty() ? "" : "<" + String.join(", ", arguments) + ">")
            + (Attributes.isNullable(type) ? "?" : "");
    }

    private static Metadata metadataOf(ClassReader reader) {
        Map<String, Object> values = new HashMap<>();
        reader.accept(new ClassVisitor(Opcodes.ASM9) {
            @Override
            public AnnotationVisitor visitAnnotation(String descriptor, boolean visible) {
                return descriptor.equals("Lkotlin/Metadata;") ? collector(values) : null;
            }
        }, ClassReader.SKIP_CODE);
        return values.isEmpty() ? null : JvmMetadataUtil.Metadata(
            (Integer) values.get("k"), (int[]) values.get("mv"), texts(values.get("d1")),
            texts(values.get("d2")), (String) values.get("xs"), (String) values.get("pn"),
            (Integer) values.get("xi"));
    }

    private static AnnotationVisitor collector(Map<String, Object> values) {
        return new AnnotationVisitor(Opcodes.ASM9) {
            @Override
            public void visit(String name, Object value) {
                values.put(name, value);
            }

            @Override
            public AnnotationVisitor visitArray(String name) {
                List<Object> found = new ArrayList<>();
                values.put(name, found);
                return new AnnotationVisitor(Opcodes.ASM9) {
                    @Override
                    public void visit(String element, Object value) {
                        found.add(value);
                    }
                };
            }
        };
    }

    private static String[] texts(Object found) {
        return found == null ? new String[0] : ((List<?>) found).toArray(new String[0]);
    }
}
